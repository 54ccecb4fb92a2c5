"""The example of an Alertmanager's configuration: routes by amtool, inhibition by a real Alertmanager."""

import subprocess
from collections.abc import Iterable, Iterator

import pytest

from exporter.config.durations import parse
from tests.alerting import Labels, alertmanager, ask, eventually
from tests.rules import ROOT, alerts

CONFIG = ROOT / "prometheus" / "alertmanager.yml"
RECEIVER = {"critical": "pager", "warning": "tickets", "info": "nobody"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as address:
        yield f"{address}/api/v2/alerts"


def only_inhibits(url: str, job: str, source: Labels, inhibited: list[Labels], others: list[Labels]) -> None:
    """Hold that of alerts that fire together, all of this job, the source silences these and not the others."""
    firing = [one | {"job": job} for one in (source, *inhibited, *others)]
    ask(url, [{"labels": one} for one in firing])

    def silenced() -> list[Labels] | None:
        """Once everything has arrived and as many are silenced as should be."""
        shown = [one for one in ask(url) if one["labels"].get("job") == job]
        found = [one["labels"] for one in shown if one["status"]["state"] == "suppressed"]
        return found if len(shown) == len(firing) and len(found) >= len(inhibited) else None

    assert by_name(eventually(silenced)) == by_name(one | {"job": job} for one in inhibited)


def by_name(found: Iterable[Labels]) -> list[Labels]:
    return sorted(found, key=lambda one: sorted(one.items()))


def of(name: str, account: str = "production", collector: str = "invocations") -> Labels:
    return {"alertname": name, "account": account, "collector": collector}


@pytest.mark.programs
def test_amtool_accepts_the_configuration() -> None:
    done = subprocess.run(["amtool", "check-config", CONFIG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", alerts())
@pytest.mark.programs
def test_an_alert_goes_where_its_severity_says(name: str) -> None:
    severity = alerts()[name].labels["severity"]
    routed = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"alertname={name}", f"severity={severity}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert routed.stdout.strip() == RECEIVER[severity]


@pytest.mark.programs
def test_an_exporter_that_is_down_silences_what_is_said_of_it_and_no_failure(url: str) -> None:
    said = [of(name) for name in alerts() if name.startswith("BatchExporter") and name != "BatchExporterDown"]
    others = [of(name) for name in ("InkitGenerationFailed", "PackageXBatchFailed", "InkitInFlightTooLong", "NodeDown")]
    only_inhibits(url, "first", {"alertname": "BatchExporterDown"}, said, others)


@pytest.mark.programs
def test_an_exporter_that_is_down_says_nothing_of_another(url: str) -> None:
    ask(url, [{"labels": of("BatchExporterDataStale") | {"job": "another"}}])
    only_inhibits(url, "second", {"alertname": "BatchExporterDown"}, [of("BatchExporterDataStale")], [])
    assert [one["status"]["state"] for one in ask(url) if one["labels"]["job"] == "another"] != ["suppressed"]


@pytest.mark.parametrize("why", ["BatchExporterAuthRefused", "BatchExporterStateNotWritable"])
@pytest.mark.programs
def test_why_polls_fail_silences_that_they_do_in_the_same_collector(url: str, why: str) -> None:
    follows = ["BatchExporterDataStale", "BatchExporterPollFailing", "BatchExporterBackfillSlow"]
    others = [of("InkitGenerationFailed"), of("BatchExporterPollFailing", collector="document_batches")]
    only_inhibits(url, why, of(why), [of(name) for name in follows], others)


@pytest.mark.programs
def test_data_that_is_stale_silences_that_polls_fail_and_not_that_requests_are_limited(url: str) -> None:
    follows = ["BatchExporterPollFailing", "BatchExporterBackfillSlow", "BatchExporterReconcileOverdue"]
    others = [of("BatchExporterRateLimited"), of("BatchExporterPollFailing", account="staging")]
    only_inhibits(url, "third", of("BatchExporterDataStale"), [of(name) for name in follows], others)


@pytest.mark.programs
def test_a_budget_that_burns_fast_need_not_be_said_to_burn_slowly(url: str) -> None:
    others = [of("InkitGenerationFailed"), of("BatchErrorBudgetBurnSlow", account="staging")]
    only_inhibits(url, "fourth", of("BatchErrorBudgetBurnFast"), [of("BatchErrorBudgetBurnSlow")], others)


@pytest.mark.programs
def test_many_item_errors_silence_that_there_are_some_in_the_same_place(url: str) -> None:
    place = {"resource": "shipment", "phase": "validation"}
    others = [of("PackageXItemErrors") | place | {"resource": "contact"}]
    only_inhibits(url, "fifth", of("PackageXItemErrorRatioHigh") | place, [of("PackageXItemErrors") | place], others)


@pytest.mark.parametrize("why", ["BatchExporterAuthRefused", "BatchExporterStateNotWritable"])
def test_the_cause_is_kept_firing_longer_than_what_follows_from_it(why: str) -> None:
    """Otherwise what follows would page when all is well again."""
    kept = {name: alerts()[name].keep_firing_for for name in (why, "BatchExporterDataStale")}
    assert parse(kept[why]) > parse(kept["BatchExporterDataStale"])
