"""The example of an Alertmanager's configuration: routes by amtool, inhibition by a real Alertmanager."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from exporter.config.durations import parse
from tests.support.alerting import Labels, alertmanager, ask
from tests.support.paths import ROOT
from tests.support.patience import eventually
from tests.support.rules import alerts

CONFIG = ROOT / "prometheus" / "alertmanager.yml"
REASONS = ["BatchExporterAuthRefused", "BatchExporterStateNotWritable", "BatchExporterStateLocked"]
"""The alerts that say why polls fail."""
RECEIVER = {"critical": "pager", "warning": "tickets", "info": "nobody"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as address:
        yield f"{address}/api/v2/alerts"


def only_inhibits(url: str, job: str, source: Labels, inhibited: list[Labels], others: list[Labels]) -> None:
    """Assert that of alerts that fire together, all of this job, the source silences these and not the others."""
    firing = [labels | {"job": job} for labels in (source, *inhibited, *others)]
    ask(url, [{"labels": labels} for labels in firing])

    def silenced() -> list[Labels] | None:
        """Return the silenced alerts, once everything has arrived and as many are silenced as should be."""
        shown = [alert for alert in ask(url) if alert["labels"].get("job") == job]
        found = [alert["labels"] for alert in shown if alert["status"]["state"] == "suppressed"]
        return found if len(shown) == len(firing) and len(found) >= len(inhibited) else None

    assert by_name(eventually(silenced)) == by_name(labels | {"job": job} for labels in inhibited)


def by_name(found: Iterable[Labels]) -> list[Labels]:
    return sorted(found, key=lambda labels: sorted(labels.items()))


def of(name: str, account: str = "production", collector: str = "invocations", instance: str = "a") -> Labels:
    return {"alertname": name, "account": account, "collector": collector, "instance": instance}


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


def about_an_exporter() -> list[str]:
    """Return the alerts about a single exporter, whichever it is."""
    down = {"BatchExporterDown", "BatchExporterInstanceDown"}
    return [name for name, alert in alerts().items() if name.startswith("BatchExporter") and name not in down]


NOT_ABOUT_AN_EXPORTER = ["InkitGenerationFailed", "PackageXBatchFailed", "InkitInFlightTooLong", "NodeDown"]


@pytest.mark.programs
def test_when_no_exporter_can_be_reached_what_was_last_seen_is_silenced_and_no_failure(url: str) -> None:
    said = [of(name, instance=instance) for name in about_an_exporter() for instance in ("a", "b")]
    said += [of("BatchExporterInstanceDown")]
    others = [of(name) for name in NOT_ABOUT_AN_EXPORTER]
    only_inhibits(url, "first", {"alertname": "BatchExporterDown"}, said, others)


@pytest.mark.programs
def test_an_exporter_that_is_down_silences_what_was_last_seen_of_it_and_nothing_of_others(url: str) -> None:
    said = [of(name) for name in about_an_exporter()]
    of_another = ("BatchExporterDataStale", "BatchExporterRecordsVanished", "BatchExporterConfigReloadFailed")
    others = [of(name, instance="b") for name in of_another] + [of(name) for name in NOT_ABOUT_AN_EXPORTER]
    only_inhibits(url, "one of two", {"alertname": "BatchExporterInstanceDown", "instance": "a"}, said, others)


@pytest.mark.programs
@pytest.mark.parametrize("down", ["BatchExporterDown", "BatchExporterInstanceDown"])
@pytest.mark.parametrize("other", [{"job": "another"}, {"cluster": "another"}])
def test_an_exporter_that_is_down_says_nothing_of_another_job_or_cluster(url: str, down: str, other: Labels) -> None:
    job = f"{down} {other}"
    elsewhere = of("BatchExporterDataStale") | {"job": job} | other
    ask(url, [{"labels": elsewhere}])
    only_inhibits(url, job, of(down), [of("BatchExporterDataStale")], [elsewhere] if "cluster" in other else [])
    assert [alert["status"]["state"] for alert in ask(url) if alert["labels"] == elsewhere] != ["suppressed"]


@pytest.mark.programs
def test_two_jobs_that_poll_one_account_are_reported_though_one_of_them_is_down(url: str) -> None:
    twice = {"alertname": "BatchExporterPolledTwice", "account": "production", "collector": "invocations"}
    ask(url, [{"labels": twice}, {"labels": {"alertname": "BatchExporterDown", "job": "sixth"}}])

    def shown() -> list[str]:
        return [alert["status"]["state"] for alert in ask(url) if alert["labels"] == twice]

    only_inhibits(url, "sixth", {"alertname": "BatchExporterDown"}, [of("BatchExporterDataStale")], [])
    assert shown() == ["active"]


@pytest.mark.parametrize("why", REASONS)
@pytest.mark.programs
def test_why_polls_fail_silences_that_they_do_in_the_same_collector(url: str, why: str) -> None:
    follows = ["BatchExporterDataStale", "BatchExporterPollFailing", "BatchExporterBackfillSlow"]
    others = [
        of("InkitGenerationFailed"),
        of("BatchExporterPollFailing", collector="document_batches"),
        of("BatchExporterDataStale", instance="b"),
    ]
    only_inhibits(url, why, of(why), [of(name) for name in follows], others)


@pytest.mark.programs
def test_data_that_is_stale_silences_that_polls_fail_and_not_that_requests_are_limited(url: str) -> None:
    follows = ["BatchExporterPollFailing", "BatchExporterBackfillSlow", "BatchExporterReconcileOverdue"]
    others = [
        of("BatchExporterRateLimited"),
        of("BatchExporterPollFailing", account="staging"),
        of("BatchExporterPollFailing", instance="b"),
    ]
    only_inhibits(url, "third", of("BatchExporterDataStale"), [of(name) for name in follows], others)


@pytest.mark.programs
def test_the_same_failure_in_two_clusters_is_two_pages() -> None:
    """Each cluster may set the label `cluster`; without it the groups are those of alert and account."""
    route = yaml.safe_load(CONFIG.read_text())["route"]
    assert route["group_by"] == ["alertname", "cluster", "account"]
    assert not [child for child in route["routes"] if "group_by" in child]


@pytest.mark.programs
def test_a_budget_that_burns_fast_need_not_be_said_to_burn_slowly(url: str) -> None:
    others = [of("InkitGenerationFailed"), of("BatchErrorBudgetBurnSlow", account="staging")]
    only_inhibits(url, "fourth", of("BatchErrorBudgetBurnFast"), [of("BatchErrorBudgetBurnSlow")], others)


@pytest.mark.programs
def test_many_item_errors_silence_that_there_are_some_in_the_same_place(url: str) -> None:
    place = {"resource": "shipment", "phase": "validation"}
    others = [of("PackageXItemErrors") | place | {"resource": "contact"}]
    only_inhibits(url, "fifth", of("PackageXItemErrorRatioHigh") | place, [of("PackageXItemErrors") | place], others)


@pytest.mark.parametrize("why", REASONS)
def test_the_cause_is_kept_firing_longer_than_what_follows_from_it(why: str) -> None:
    """Otherwise the alert that follows from it would page after everything has recovered."""
    kept = {name: alerts()[name].keep_firing_for for name in (why, "BatchExporterDataStale")}
    assert parse(kept[why]) > parse(kept["BatchExporterDataStale"])


def pager() -> Mapping[str, str]:
    """Return the receiver of pages, which is in comments, without its line about PagerDuty's templates."""
    commented = re.search(r"- name: pager\n((?: +#.*\n)+)", CONFIG.read_text())
    assert commented is not None
    # Sentences are comments on the line below them.
    lines = [line for line in re.findall(r"^    # (.*)$", commented[1], re.MULTILINE) if not re.match(r"\w+ \w+", line)]
    (found,) = yaml.safe_load("\n".join(lines))["pagerduty_configs"]
    return {"description": found["description"], **{link["text"]: link["href"] for link in found["links"]}}


@pytest.mark.parametrize(("firing", "says"), [(["a"], "a"), (["a", "b", "c"], "a, and 2 more"), ([], "over")])
@pytest.mark.programs
def test_a_page_of_several_alerts_has_a_text_and_its_links(tmp_path: Path, firing: list[str], says: str) -> None:
    """Alerts of one account whose summaries differ have no summary in common."""
    links = {"runbook_url": "http://runbook", "failures": "http://failures"}
    alerts = [{"status": "resolved", "annotations": {"summary": "over", "dashboard": "http://over", **links}}] + [
        {"status": "firing", "annotations": {"summary": name, "dashboard": f"http://{name}", **links}}
        for name in firing
    ]
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": alerts, "commonAnnotations": links}))
    (tmp_path / "none.tmpl").touch()

    def rendered(text: str) -> str:
        glob = f"--template.glob={tmp_path}/none.tmpl"
        told = ["amtool", "template", "render", glob, f"--template.data={data}", f"--template.text={text}"]
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout

    texts = {name: rendered(text) for name, text in pager().items()}
    assert texts.pop("description") == says
    assert texts == {"Runbook": "http://runbook", "Dashboard": "http://over", "Failed records": "http://failures"}
