"""Failures while a part of the chain is down, slow or refused: each of two Prometheus pages once for each of them.

Most of it is waiting. So there are several chains, at which different things go wrong at the same time.
"""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from exporter.demo.items import invocation
from exporter.model.accounting import Rules, is_failure_series
from exporter.state import prepared
from exporter.systems import sources
from tests.support import faults
from tests.support.chain import Chain, apis, chain
from tests.support.e2e_intervals import QUICK, Account
from tests.support.happenings import BATCH, FIRST_BATCH, GENERATION, NEW_DESTINATION, OWN_FAILURE, Kind, Sample
from tests.support.patience import GENEROUS
from tests.support.rig import HOUR
from tests.support.side_by_side import Results, Scene, come_to, side_by_side

pytestmark = [pytest.mark.programs, pytest.mark.slow]

OTHER = replace(QUICK, scrape="700ms", evaluation="600ms")
"""Of the second Prometheus: its phase beside that of the first one changes all the time."""
WINDOW_SECONDS = 6.0
"""Of the rules, as QUICK has them."""
ONCE_AND_OVER = ["firing", "resolved"]
QUIET = "quiet"
TOO_LATE = "killed too late for what is to be shown: it was published before"
NOTHING_UNUSUAL: Mapping[str, str] = {}
# Between two polls there must be time to kill the program.
RARELY_POLLED = {"poll_interval": "4s"}
SOON_STALE = {"request_timeout": "2s", "stale_after": "3s"}
# Both Prometheus must have come back within it.
BOTH_WITHIN = {"poll_interval": "5s"}
SCENARIOS: Mapping[str, tuple[Mapping[str, str], Sequence[Kind]]] = {
    "unpublished": (RARELY_POLLED, (FIRST_BATCH, NEW_DESTINATION)),
    "unpublished-for-long": (RARELY_POLLED, (FIRST_BATCH,)),
    "down": (NOTHING_UNUSUAL, (GENERATION, BATCH, FIRST_BATCH, NEW_DESTINATION, OWN_FAILURE)),
    "refused-401": (SOON_STALE, (GENERATION, FIRST_BATCH)),
    "refused-500": (SOON_STALE, (BATCH, NEW_DESTINATION)),
    "slow": (RARELY_POLLED, (BATCH, FIRST_BATCH, NEW_DESTINATION)),
    "unscraped": (BOTH_WITHIN, (GENERATION, BATCH, FIRST_BATCH, NEW_DESTINATION, OWN_FAILURE)),
}
"""Accounts that stand side by side: what is set for them, and what fails, once in an account of its own."""


@dataclass(frozen=True, slots=True)
class Night:
    """A chain with two Prometheus, and what fails in it."""

    made: Chain
    samples: Mapping[str, Sequence[Sample]]

    def happen(self, *scenarios: str) -> list[Sample]:
        samples = [sample for scenario in scenarios for sample in self.samples[scenario]]
        for sample in samples:
            sample.happen()
        return samples

    def paged(self, samples: Sequence[Sample]) -> None:
        """Wait until each of them has paged from both Prometheus."""
        for sample in samples:
            for number, watch in enumerate(self.made.watches):
                what = f"the page of {sample.account} from Prometheus {number}"
                self.made.until(lambda watch=watch, sample=sample: sample.pages(watch.pager), what)  # type: ignore[misc]

    def over(self) -> list[Sample]:
        """Wait until all that has happened so far has paged and its page has ended."""
        happened = [sample for samples in self.samples.values() for sample in samples if sample.ended]
        for number, watch in enumerate(self.made.watches):
            self.made.until(
                lambda watch=watch: all(sample.pages(watch.pager)[1:] for sample in happened),  # type: ignore[misc]
                f"the end of all pages from Prometheus {number}",
            )
        return happened

    def unpaged(self, samples: Sequence[Sample]) -> bool:
        return not any(sample.pages(watch.pager) for sample in samples for watch in self.made.watches)

    def noticed(self, samples: Sequence[Sample]) -> None:
        """Wait until the exporter lists these failures. Nothing is scraped for it."""
        wanted = {sample.account for sample in samples}
        self.made.until(lambda: wanted <= failing(self.made.exporter.url), f"that {wanted} have failed")

    def everywhere(self, expression: str, what: str) -> None:
        """Wait until both Prometheus find something."""
        self.made.until(lambda: all(watch.query(expression) for watch in self.made.watches), what)


def failing(url: str) -> set[str]:
    """Return the accounts whose failures the exporter lists; none while it starts."""
    request = urllib.request.Request(f"{url}/failures", headers={"Accept": "application/json"})
    with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=GENEROUS) as answer:
        return {failure["account"] for failure in json.load(answer)["failures"]}
    return set()


def unpublished(made: Chain, sample: Sample) -> int:
    """Return how many failures the state file has counted but not published."""
    rules = Rules.of(sources()[sample.kind.system].families)
    with (
        prepared(made.folder / "state.db") as state,
        state.records(sample.account, sample.kind.collector, rules) as records,
    ):
        counters = records.sums().counters
    return sum(count.counted - count.published for key, count in counters.items() if is_failure_series(key, rules))


def pass_time(seconds: float) -> None:
    threading.Event().wait(seconds)


@contextmanager
def night(folder: Path, scenarios: Sequence[str]) -> Iterator[Night]:
    """Run a chain for what happens in these accounts. In one more account, something failed an hour ago."""
    with ExitStack() as stack:
        accounts = []
        samples: dict[str, list[Sample]] = {}
        for scenario in scenarios:
            settings, kinds = SCENARIOS[scenario]
            for number, kind in enumerate(kinds):
                sample = Sample(kind, f"{scenario}-{number}", stack.enter_context(apis()), killed=False)
                sample.before(0.0)
                samples.setdefault(scenario, []).append(sample)
                keys = {"stuck_after": "1h", **settings}
                accounts.append(Account(sample.account, kind.system, kind.collector, sample.apis.mock_api.url, keys))
        there = stack.enter_context(apis())
        old = invocation("rend_old", time.time() - HOUR, destinations={"docusign": "Failed"})
        there.world.add("invocations", old)
        accounts.append(Account(QUIET, "inkit", "invocations", there.mock_api.url))
        made = stack.enter_context(chain(folder, accounts, QUICK, OTHER))
        yield Night(made, samples)


def the_exporter_is_killed_before_it_publishes(night: Night) -> None:
    samples = night.samples["unpublished"]
    for sample in samples:
        sample.happen()
        night.noticed([sample])
        night.made.exporter.kill()
        assert unpublished(night.made, sample), TOO_LATE
        assert night.unpaged([sample]), TOO_LATE
        night.made.exporter.start()
    night.paged(samples)


def the_exporter_is_down(night: Night) -> None:
    before = night.happen("unpublished-for-long")
    night.noticed(before)
    night.made.exporter.kill()
    assert unpublished(night.made, before[0]), TOO_LATE
    began = time.monotonic()
    pass_time(WINDOW_SECONDS)
    samples = [*before, *night.happen("down")]
    for watch in night.made.watches:
        night.made.until(lambda watch=watch: watch.pager.pages("BatchExporterDown"), "that the exporter is down")  # type: ignore[misc]
    pass_time(max(0.0, began + 2.5 * WINDOW_SECONDS - time.monotonic()))
    assert night.unpaged(samples)
    night.made.exporter.start()
    night.paged(samples)


def polls_fail(night: Night) -> None:
    for scenario, code in (("refused-401", 401), ("refused-500", 500)):
        for sample in night.samples[scenario]:
            sample.apis.mock_api.faults.add(faults.status(code))
    account = 'account=~"refused.+"'
    every = sum(len(night.samples[scenario]) for scenario in ("refused-401", "refused-500"))
    night.everywhere(f"count(batch_exporter_up{{{account}}} == 0) == {every}", "that polls fail")
    night.everywhere(f"absent(batch_exporter_records_stuck{{{account}}})", "that the gauges are dropped")
    samples = night.happen("refused-401", "refused-500")
    pass_time(WINDOW_SECONDS + 2.0)
    assert night.unpaged(samples)
    night.everywhere(f'count by (account) ({{__name__=~".+_finished_total",{account}}})', "the counters meanwhile")
    for sample in samples:
        sample.apis.mock_api.faults.clear()
    night.paged(samples)


def polls_are_slow(night: Night) -> None:
    def happen(sample: Sample) -> None:
        requests = sample.apis.mock_api.requests
        requests.clear()
        night.made.until(lambda: requests, "the poll before")
        pass_time(0.5)
        sample.happen()
        sample.apis.mock_api.faults.add(faults.latency(3.7), times=1)

    samples = night.samples["slow"]
    with ThreadPoolExecutor(len(samples)) as pool:
        list(pool.map(happen, samples))
    night.paged(samples)
    seconds = "batch_exporter_api_request_duration_seconds"
    slow = f'sum({seconds}_count) - sum({seconds}_bucket{{le="2.5"}}) >= {len(samples)}'
    night.everywhere(slow, "that each had a slow poll")


def nobody_scrapes(night: Night) -> None:
    # Alertmanager takes minutes to end the pages of a killed Prometheus: there must be none.
    assert not any(sample.ended for samples in night.samples.values() for sample in samples)
    for watch in night.made.watches:
        watch.prometheus.kill()
    assert QUICK.unscraped_seconds is not None
    pass_time(QUICK.unscraped_seconds + 1.0)
    samples = night.happen("unscraped")
    night.noticed(samples)
    pass_time(WINDOW_SECONDS + 2.0)
    for watch in night.made.watches:
        watch.prometheus.start()
    night.paged(samples)


def all_is_over(night: Night) -> None:
    """Assert that each failure was one page from each Prometheus, and that nothing else paged."""
    happened = night.over()
    for number, watch in enumerate(night.made.watches):
        for sample in happened:
            pages = sample.pages(watch.pager)
            assert [page.status for page in pages] == ONCE_AND_OVER, (number, sample.account, pages)
        paged = {(page.group["alertname"], page.group.get("account")) for page in watch.pager.all()}
        ours = {(alert, account) for alert, account in paged if not alert.startswith("BatchExporter")}
        wanted = {(sample.kind.alert, sample.account) for sample in happened}
        assert {alert for alert in ours if alert[0] != "PackageXItemErrors"} == wanted
        counted = watch.query('sum by (account) ({__name__=~".+_finished_total",status="failed"}) == 1')
        assert {found["account"] for found in counted} == {sample.account for sample in happened}


NIGHTS: Sequence[tuple[Sequence[str], Sequence[Scene[Night]]]] = (
    (
        ("unpublished", "unpublished-for-long", "down"),
        (the_exporter_is_killed_before_it_publishes, the_exporter_is_down, all_is_over),
    ),
    (("refused-401", "refused-500", "slow"), (polls_fail, polls_are_slow, all_is_over)),
    (("unscraped",), (nobody_scrapes, all_is_over)),
)
"""For each chain: its accounts, and what happens to it, one thing after the other."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results[Night]]:
    nights = [(night(tmp_path_factory.mktemp("night"), scenarios), scenes) for scenarios, scenes in NIGHTS]
    with side_by_side(*nights) as found:
        yield found


def test_what_was_counted_and_not_published_when_the_exporter_was_killed_pages(results: Results[Night]) -> None:
    come_to(results, the_exporter_is_killed_before_it_publishes)


def test_what_failed_while_the_exporter_was_down_for_many_windows_pages(results: Results[Night]) -> None:
    come_to(results, the_exporter_is_down)


def test_what_failed_while_polls_failed_for_longer_than_stale_after_pages(results: Results[Night]) -> None:
    come_to(results, polls_fail)


def test_a_failure_that_a_slow_poll_meets_pages_though_the_next_poll_follows_at_once(results: Results[Night]) -> None:
    come_to(results, polls_are_slow)


def test_what_failed_while_nobody_scraped_for_many_windows_pages_from_each_prometheus_that_is_back(
    results: Results[Night],
) -> None:
    come_to(results, nobody_scrapes)


def test_each_failure_was_one_page_from_each_prometheus_and_nothing_else_paged(results: Results[Night]) -> None:
    come_to(results, all_is_over)
