"""Other filters, other labels: no event is lost by them, and none is made."""

from typing import Any

import pytest

from exporter.demo.items import document_batch, generations, invocation
from exporter.polling.poller import Poller
from tests.support import faults
from tests.support.rig import DAY, HOUR, NOW, Rig

OPEN = {"sepire": generations(1)}
FAILED = {"sepire": generations(1, failed=1)}
BATCHES = "inkit_batch_generations_finished_total"
INVOCATIONS = "inkit_invocation_generations_finished_total"


def failures(rig: Rig, collector: str) -> int:
    """Return the number of failures of all series, with the label or without."""
    return sum(n for key, n in rig.events(collector).items() if key[0] in (BATCHES, INVOCATIONS) and "failed" in key)


def start(rig: Rig, collector: str, on: bool) -> Poller:
    """Return a poller that has the account's filter or label switched on or off."""
    changed: dict[str, Any] = {}
    if collector == "document_batches":
        changed = {"filters": {"search": "x_"}, "scope": "filtered"} if on else {"scope": "all"}
    elif on:
        changed = {"labels": "workflow", "workflow_label": True}
    return rig.poller(collector, **changed)


def put(rig: Rig, collector: str, name: str, created: float, failed: bool) -> None:
    if collector == "document_batches":
        item = document_batch(name, created, destinations=FAILED if failed else OPEN)
        rig.world.add("document_batches", item)
    else:
        destinations = {"box": "Failed" if failed else "In Progress"}
        rig.world.add("invocations", invocation(name, created, flow_name="flow", destinations=destinations))


@pytest.mark.parametrize("fails", [False, True], ids=["well", "with-failed-polls"])
@pytest.mark.parametrize("collector", ["document_batches", "invocations"])
def test_five_switches_cost_no_failure(rig: Rig, collector: str, fails: bool) -> None:
    for number in range(600):
        put(rig, collector, f"x_old_{number}", NOW - number * 600, failed=True)
    for number in range(200):
        put(rig, collector, f"x_open_{number}", NOW - number * 60 - 30, failed=False)
    poller = start(rig, collector, False)
    assert poller.poll()
    expected = 0
    for switch in range(6):
        for poll in range(4):
            rig.clock.now += 60
            for number in range(5):
                put(rig, collector, f"x_{switch}_{poll}_{number}", rig.clock.now - number * 10, failed=True)
                expected += 1
            put(rig, collector, f"x_open_{expected // 5}", NOW - (expected // 5) * 60 - 30, failed=True)
            expected += 1
            if fails and poll == 0:
                rig.mock_api.faults.add(faults.status(500), times=3)
                assert not poller.poll()
            else:
                assert poller.poll()
        poller = start(rig, collector, switch % 2 == 0)
    rig.clock.now += 60
    assert poller.poll()
    assert failures(rig, collector) == expected
    # The last switch was off again.
    for _ in range(2):
        rig.reconcile(poller)
    assert failures(rig, collector) == expected


def test_with_other_labels_the_gauges_are_those_of_the_window(rig: Rig) -> None:
    for number in range(300):
        put(rig, "invocations", f"x_{number}", NOW - number * 60, failed=number % 2 == 0)
    assert start(rig, "invocations", False).poll()
    labeled = start(rig, "invocations", True)
    assert labeled.poll()
    assert rig.series(labeled, "inkit_invocation_generations")["box", "failed", "flow"] == 150
    assert all(len(key) > 3 for key in rig.gauges("invocations") if key[0] == "inkit_invocation_generations")
    plain = start(rig, "invocations", False)
    rig.mock_api.requests.clear()
    assert plain.poll()
    assert rig.exact("invocations")
    assert len(rig.mock_api.requests) < 10, "without the label nothing has to be read again"


@pytest.mark.parametrize("on", [True, False])
def test_labels_and_query_settings_may_change_at_once(rig: Rig, on: bool) -> None:
    """What the old query found, and no scrape has seen yet, rises in a series with the new labels."""
    label: dict[str, Any] = {"labels": "workflow", "workflow_label": True}
    poller = rig.poller("invocations", scope="a", **({} if on else label))
    put(rig, "invocations", "x_0", NOW - 60, failed=False)
    assert poller.poll()
    rig.store.scraped(rig.clock.now)
    rig.clock.now += 60
    put(rig, "invocations", "x_0", NOW - 60, failed=True)
    put(rig, "invocations", "x_1", NOW, failed=True)
    assert poller.poll()
    rig.world.remove("invocations", "x_1")
    rig.clock.now += 60
    changed = rig.poller("invocations", scope="b", **(label if on else {}))
    assert changed.poll()
    assert failures(rig, "invocations") == 2
    counted = rig.sums("invocations").counters.items()
    waiting = {len(key) for key, count in counted if key[0] == INVOCATIONS and count.counted > count.published}
    assert waiting == {4 if on else 3}


def test_a_workflow_with_another_name_is_no_event(rig: Rig) -> None:
    put(rig, "invocations", "x_1", NOW, failed=True)
    poller = start(rig, "invocations", True)
    assert poller.poll()
    rig.world.update("invocations", "x_1", flow_name="renamed")
    rig.clock.now += 60
    assert poller.poll()
    assert failures(rig, "invocations") == 0
    assert rig.series(poller, "inkit_invocation_generations")["box", "failed", "renamed"] == 1


def test_old_work_that_is_in_flight_is_followed_over_a_change_of_what_is_asked_for(rig: Rig) -> None:
    put(rig, "document_batches", "x_open", NOW, failed=False)
    for number in range(400):
        put(rig, "document_batches", f"x_{number}", NOW + 9 * DAY - number * 60, failed=True)
    assert rig.poller("document_batches", scope="a").poll()
    rig.clock.now = NOW + 9 * DAY
    assert rig.poller("document_batches", scope="a").poll()
    before = failures(rig, "document_batches")
    put(rig, "document_batches", "x_open", NOW, failed=True)
    rig.clock.now += HOUR
    poller = rig.poller("document_batches", scope="b")
    assert poller.poll()
    rig.reconcile(poller)
    assert failures(rig, "document_batches") == before + 1
