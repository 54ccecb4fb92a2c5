"""From a change in an API to the page, and to its end, through real programs; the exporter is killed meanwhile."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from exporter.demo.items import document_batch, generations, invocation
from exporter.demo.packagex.items import packagex_batch
from tests.support.alerting import ask, without_count
from tests.support.chain import Apis, Chain, apis, chain
from tests.support.e2e_intervals import QUICK, Account
from tests.support.pager import Page
from tests.support.program import get
from tests.support.prometheus_versions import NEWEST, SYSTEM
from tests.support.rig import HOUR
from tests.support.side_by_side import Results, Scene, come_to, side_by_side

pytestmark = [pytest.mark.programs, pytest.mark.slow]

ONCE_AND_OVER = [("pager", "firing"), ("pager", "resolved")]
TOLD_AND_OVER = [("tickets", "firing"), ("tickets", "resolved")]


@dataclass(frozen=True, slots=True)
class Place:
    """A chain, and the APIs that it watches, where something failed an hour ago."""

    running: Chain
    there: Apis


@contextmanager
def place(folder: Path, version: str) -> Iterator[Place]:
    with apis() as there:
        old = time.time() - HOUR
        failed = document_batch("rb_old", old, destinations={"sepire": generations(2, 0, 2)})
        there.world.add("document_batches", failed)
        there.world.add("invocations", invocation("rend_old", old, destinations={"docusign": "Failed"}))
        there.batches.add(packagex_batch("batch_old", old, resource="shipment", status="failed"))
        url = there.mock_api.url
        accounts = (
            Account("production", "inkit", "document_batches", url),
            Account("letters", "inkit", "invocations", url),
            Account("logistics", "packagex", "batches", url),
        )
        with chain(folder, accounts, replace(QUICK, prometheus=version)) as running:
            yield Place(running, there)


def notified(pages: list[Page]) -> list[tuple[str, str]]:
    return [(page.receiver, page.status) for page in pages]


def asked(running: Chain, there: Apis) -> None:
    """Wait until the exporter has queried all that there is now."""
    there.mock_api.requests.clear()
    paths = {"/batch", "/invoke", "/batches"}
    running.until(lambda: paths <= {request.path for request in list(there.mock_api.requests)}, "the next polls")


def all_kinds_page_and_are_over(place: Place) -> None:
    running, there = place.running, place.there
    world, batches, pager = there.world, there.batches, running.pager
    began = time.time() - 5
    world.add("document_batches", document_batch("rb_1", began, destinations={"sepire": generations(3)}))
    batches.add(packagex_batch("batch_1", began, resource="shipment", status="processing", items=4))
    running.until(lambda: running.query('batch_exporter_records{state="in_flight"} > 0')[1:], "what is in flight")
    since = time.time() - QUICK.too_long_seconds
    world.add("document_batches", document_batch("rb_1", began, destinations={"sepire": generations(3, 2, 1)}))
    world.add("invocations", invocation("rend_1", since, destinations={"box": "In Progress"}))
    batches.add(packagex_batch("batch_1", began, resource="shipment", status="failed", items=4))

    groups: dict[str, Callable[[], list[Page]]] = {
        "a generation": lambda: pager.pages("InkitGenerationFailed", "production"),
        "what is stuck": lambda: pager.pages("InkitInFlightTooLong", "letters"),
        "a batch": lambda: pager.pages("PackageXBatchFailed", "logistics"),
        "items": lambda: pager.pages("PackageXItemErrors", "logistics"),
    }
    asked(running, there)
    running.exporter.kill()
    assert not any(pages() for pages in groups.values()), "killed too late for what is to be shown"
    running.exporter.start()
    for what, pages in groups.items():
        running.until(pages, f"the page of {what}")
    running.exporter.kill()
    world.add("invocations", invocation("rend_1", since, destinations={"box": "Completed"}))
    running.exporter.start()
    running.until(lambda: all(pages()[1:] for pages in groups.values()), "the end of all pages")

    assert [notified(pages()) for pages in groups.values()] == [*[ONCE_AND_OVER] * 3, TOLD_AND_OVER]
    alerts = [pages()[0].alerts[0] for pages in groups.values()]
    assert alerts[0].labels["destination"] == "sepire"
    assert [without_count(alert.annotations["summary"]) for alert in alerts] == [
        "Inkit: N generation failed at sepire, account production",
        "Inkit: 1 invocation is stuck, account letters",
        "PackageX: N shipment batch failed, account logistics",
        "PackageX: N shipment item have errors, account logistics",
    ]


def something_fails_while_the_exporter_is_away(place: Place) -> None:
    running, there = place.running, place.there
    old = [("InkitGenerationFailed", "production"), ("PackageXBatchFailed", "logistics")]
    before = [running.pager.pages(*group) for group in old]
    running.exporter.kill()
    failed = invocation("rend_2", time.time(), destinations={"docusign": "Failed", "box": "Completed"})
    there.world.add("invocations", failed)
    running.exporter.start()
    page = running.until(lambda: running.pager.pages("InkitGenerationFailed", "letters"), "the page")[0]
    assert notified([page]) == [("pager", "firing")]
    assert [alert.labels["destination"] for alert in page.alerts] == ["docusign"]
    assert [running.pager.pages(*group) for group in old] == before


def the_exporter_is_killed_as_soon_as_something_is_exposed(place: Place) -> None:
    running, there = place.running, place.there
    there.batches.add(packagex_batch("batch_2", time.time(), resource="tracker", status="failed"))
    running.until(lambda: 'resource="tracker",status="failed"' in get(running.exporter.url + "/metrics"), "its series")
    running.exporter.kill()
    running.exporter.start()

    def paged() -> bool:
        pages = running.pager.pages("PackageXBatchFailed", "logistics")
        return any(alert.labels["resource"] == "tracker" for page in pages for alert in page.alerts)

    running.until(paged, "the page")


def the_exporter_is_down(place: Place) -> None:
    running, there = place.running, place.there

    def failures() -> list[Page]:
        return running.pager.pages("InkitGenerationFailed", "production")[before:]

    def down() -> list[Page]:
        return running.pager.pages("BatchExporterDown")[down_before:]

    def unknown() -> bool:
        shown = {alert["labels"]["alertname"]: alert for alert in ask(f"{running.manager}/api/v2/alerts")}
        return bool(shown["BatchExporterUnknownValues"]["status"]["inhibitedBy"])

    def quiet() -> bool:
        """Return whether no page of earlier restarts is open. On a busy machine, restarts take long enough to page."""
        last = running.pager.pages("BatchExporterDown")[-1:]
        pending = running.query('ALERTS{alertname="BatchExporterDown"}')
        return not pending and all(page.status == "resolved" for page in last)

    running.until(quiet, "that the exporter is up")
    before = len(running.pager.pages("InkitGenerationFailed", "production"))
    down_before = len(running.pager.pages("BatchExporterDown"))
    failed = {"magic_link": generations(1, 0, 1), "pigeon": generations(1, 1)}
    there.world.add("document_batches", document_batch("rb_2", time.time(), destinations=failed))
    running.until(failures, "the page of the first")
    running.until(lambda: running.pager.pages("BatchExporterUnknownValues", "production"), "that a word is new")
    there.world.add("document_batches", document_batch("rb_3", time.time(), destinations={"crow": generations(1, 1)}))
    running.until(lambda: running.query("increase(batch_exporter_unknown_values_total[2h]) > 0"), "another new word")
    running.exporter.kill()
    running.until(down, "the page that the exporter is down")
    running.until(unknown, "that the new words are silenced")
    running.until(lambda: failures()[1:], "the end of the first")
    there.world.add("document_batches", document_batch("rb_4", time.time(), destinations=failed))
    running.exporter.start()
    running.until(lambda: failures()[2:], "the page of the second")
    running.until(lambda: down()[1:], "that the exporter is back")
    assert notified(failures()) == [*ONCE_AND_OVER, ("pager", "firing")]
    assert notified(down()) == ONCE_AND_OVER


SCENES: Sequence[tuple[str, Sequence[Scene[Place]]]] = (
    (NEWEST, (all_kinds_page_and_are_over,)),
    (
        SYSTEM,
        (
            something_fails_while_the_exporter_is_away,
            the_exporter_is_killed_as_soon_as_something_is_exposed,
            the_exporter_is_down,
        ),
    ),
)
"""For each chain its version of Prometheus, and what happens to it.

What happens keeps apart by what alerts of which account it looks at.
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results[Place]]:
    stages = ((place(tmp_path_factory.mktemp("chain"), version), scenes) for version, scenes in SCENES)
    with side_by_side(*stages) as found:
        yield found


def test_each_thing_pages_once_and_is_over_though_the_exporter_is_killed_before_the_page_and_after(
    results: Results[Place],
) -> None:
    come_to(results, all_kinds_page_and_are_over)


def test_what_failed_while_the_exporter_was_away_pages_when_it_is_back_and_what_is_old_does_not(
    results: Results[Place],
) -> None:
    come_to(results, something_fails_while_the_exporter_is_away)


def test_the_first_failure_of_its_kind_pages_though_the_exporter_is_killed_as_soon_as_it_is_exposed(
    results: Results[Place],
) -> None:
    come_to(results, the_exporter_is_killed_as_soon_as_something_is_exposed)


def test_an_exporter_that_is_down_pages_and_silences_what_was_last_seen_of_it_but_no_failure(
    results: Results[Place],
) -> None:
    come_to(results, the_exporter_is_down)
