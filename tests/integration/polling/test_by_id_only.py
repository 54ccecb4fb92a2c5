"""An account without the list: batches that other records and the configuration name are fetched by their IDs."""

import pytest

from exporter.demo.items import generations, invocation, workflow_batch
from exporter.model.record import Reason
from exporter.polling.poller import Poller
from tests.support import faults
from tests.support.rig import DAY, HOUR, NOW, Rig

FAILED = {"inkit_storage": generations(1, failed=1)}


@pytest.mark.parametrize("restart", [False, True])
def test_the_reconciliation_of_an_account_without_a_list_is_spread_over_polls(rig: Rig, restart: bool) -> None:
    """Each batch of the account costs one request."""
    moment = NOW - HOUR
    batches = [workflow_batch(f"fb_{n:04}", moment if n < 200 else NOW - n * 60) for n in range(500)]
    rig.world.extend("workflow_batches", batches)
    names = tuple(f"fb_{n:04}" for n in range(505))
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")

    def start() -> Poller:
        return rig.poller("workflow_batches", workflow_batch_ids=names, allowance=20)

    poller = start()
    assert poller.poll()
    rig.clock.now += 60
    assert poller.poll()
    rig.world.update("workflow_batches", "fb_0480", destinations=FAILED)
    rig.world.remove("workflow_batches", "fb_0100")
    rig.clock.now += HOUR
    spent = []
    for number in range(60):
        if restart and number == 5:
            poller = start()
        spent.append(rig.cost(poller))
        rig.clock.now += 60
    assert max(spent[: 5 if restart else 60]) <= 20 + 10 + 4
    assert max(spent[6:]) <= 20 + 10 + 4
    assert poller.status.last_reconcile is not None
    assert rig.events("workflow_batches")[
        "inkit_batch_generations_finished_total", "workflow", "inkit_storage", "failed"
    ]
    assert rig.gauges("workflow_batches")["inkit_batches", "workflow", "completed"] == 499


def test_a_longer_window_has_the_batches_that_older_invocations_name(rig: Rig) -> None:
    for days in (1, 5, 9):
        moment = NOW - days * DAY
        rig.world.add("invocations", invocation(f"rend_{days}", moment, batch_id=f"fb_{days}"))
        rig.world.add("workflow_batches", workflow_batch(f"fb_{days}", moment))
    assert rig.poller("invocations", lookback=30 * DAY).poll()
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    shown = []
    for lookback in (2 * DAY, 2 * DAY, 7 * DAY, 30 * DAY):
        assert rig.poller("workflow_batches", lookback=lookback).poll()
        shown.append(rig.gauges("workflow_batches")["inkit_batches", "workflow", "completed"])
        rig.clock.now += 60
    assert shown == [1, 1, 2, 3]


@pytest.mark.parametrize("allowance", [0, 1])
def test_however_small_the_allowance_a_reconciliation_asks_for_one_named_batch_a_poll(rig: Rig, allowance: int) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1", "fb_2", "fb_3"), allowance=allowance)
    for _ in range(3):
        assert poller.poll()
        rig.clock.now += 60
    rig.clock.now += HOUR
    asked = []
    for _ in range(4):
        rig.cost(poller)
        asked += [[request.path[-4:] for request in rig.mock_api.requests if request.path != "/invoke/batch"]]
        rig.clock.now += 60
    assert asked == [["fb_1"], ["fb_2"], ["fb_3"], []]


def test_a_named_batch_that_is_gone_is_not_asked_for_at_each_poll(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1",))
    assert poller.poll()
    rig.world.remove("workflow_batches", "fb_1")
    rig.clock.now += HOUR
    for _ in range(3):
        assert poller.poll()
        rig.clock.now += 60
    assert rig.own(poller).vanished == 1
    assert rig.cost(poller) == 0


def test_a_new_batch_that_is_not_there_at_once_is_asked_for_again(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1",))
    assert poller.poll()
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW, destinations=FAILED))
    rig.clock.now += 60
    assert poller.poll()
    assert rig.gauges("workflow_batches")["inkit_batches", "workflow", "completed"] == 1
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch/fb_1", times=1)
    rig.clock.now += HOUR
    assert poller.poll()
    assert poller.poll()
    assert rig.own(poller).vanished == 0


def test_a_named_batch_that_two_polls_have_not_found_is_left_to_reconciliations(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1",))
    asked = []
    for _ in range(4):
        rig.cost(poller)
        asked.append([request.path[-4:] for request in rig.mock_api.requests].count("fb_1"))
        rig.clock.now += 60
    assert asked == [1, 1, 0, 0]


@pytest.mark.parametrize("status", [400, 500])
def test_an_api_that_answers_nothing_is_not_up_for_an_account_without_a_list(rig: Rig, status: int) -> None:
    """That it has no list is an answer. One record that it fails to return says nothing about others."""
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW, destinations={"box": generations(1)}))
    rig.world.add("workflow_batches", workflow_batch("fb_2", NOW, destinations={"box": generations(1, completed=1)}))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1", "fb_2"))
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(status), path="/invoke/batch/fb_1")
    for _ in range(2):
        rig.clock.now += 60
        assert poller.poll()
    rig.mock_api.faults.clear()
    rig.mock_api.faults.add(faults.status(status))
    reconciled = poller.status.last_reconcile
    for seconds in (60, HOUR):
        rig.clock.now += seconds
        assert not poller.poll()
        assert poller.status.last_reconcile == reconciled


def test_an_api_that_does_not_have_one_batch_and_fails_to_return_all_others_is_not_up(rig: Rig) -> None:
    """Nothing is known of any: gauges of 0 would look like an account without batches."""
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW - HOUR))
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.mock_api.faults.add(faults.status(500), path="/invoke/batch/fb_1")
    for names in (("fb_1", "fb_2"), ("fb_0", "fb_1")):
        poller = rig.poller("workflow_batches", workflow_batch_ids=names)
        assert not poller.poll()
        assert poller.status.reason is Reason.SERVER_ERROR
    rig.mock_api.faults.clear()
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    assert poller.poll()
    assert rig.gauges("workflow_batches")["inkit_batches", "workflow", "completed"] == 1


def test_a_batch_that_an_api_denied_for_some_polls_is_seen_again_without_a_list(rig: Rig) -> None:
    """A gateway may answer 404 for all of an API that is down."""
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW, destinations={"box": generations(1)}))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1", "fb_2"))
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(404))
    for _ in range(2):
        rig.clock.now += HOUR
        assert poller.poll()
    assert rig.own(poller).vanished == 1
    rig.mock_api.faults.clear()
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.world.update("workflow_batches", "fb_1", destinations={"box": generations(1, failed=1)})
    for _ in range(2):
        rig.clock.now += HOUR
        assert poller.poll()
        assert rig.gauges("workflow_batches")["inkit_batches", "workflow", "completed"] == 1
    assert rig.own(poller).vanished == 1
    assert rig.events("workflow_batches")["inkit_batch_generations_finished_total", "workflow", "box", "failed"] == 1


def test_a_list_that_was_there_once_and_is_not_found_fails_the_poll(rig: Rig) -> None:
    """The list may come back. Fetching by ID would miss batches that nothing names."""
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1",))
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.clock.now += 60
    assert not poller.poll()
    assert poller.status.reason is Reason.CLIENT_ERROR


def test_a_list_whose_records_nothing_names_is_not_given_up_when_it_is_not_found(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke")
    poller = rig.poller("invocations")
    assert not poller.poll()
    assert poller.status.reason is Reason.CLIENT_ERROR


@pytest.mark.parametrize("interval", [HOUR, 3 * HOUR])
def test_a_batch_is_found_however_late_the_collector_polls_that_names_it(rig: Rig, interval: float) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    naming = rig.poller("invocations")
    poller = rig.poller("workflow_batches", naming_interval=interval)
    for each in (naming, poller):
        assert each.poll()
    created = rig.clock.now + 60
    rig.world.add("invocations", invocation("rend_1", created, batch_id="fb_1"))
    rig.world.add("workflow_batches", workflow_batch("fb_1", created, destinations=FAILED))
    while rig.clock.now < NOW + interval:
        rig.clock.now += 600
        assert poller.poll()
    assert naming.poll()
    rig.clock.now += 60
    assert poller.poll()
    assert rig.events("workflow_batches")[
        "inkit_batch_generations_finished_total", "workflow", "inkit_storage", "failed"
    ]


def test_a_batch_is_found_that_a_record_names_which_was_itself_read_hours_late(rig: Rig) -> None:
    """The list of the records that name batches may be down for longer than names are searched for at each poll."""
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    naming, poller = rig.poller("invocations"), rig.poller("workflow_batches")
    for each in (naming, poller):
        assert each.poll()
    created = rig.clock.now + 60
    rig.world.add("invocations", invocation("rend_1", created, batch_id="fb_1"))
    rig.world.add("workflow_batches", workflow_batch("fb_1", created, destinations=FAILED))
    rig.mock_api.faults.add(faults.status(500), path="/invoke")
    for _ in range(18):
        rig.clock.now += 600
        assert not naming.poll()
        assert poller.poll()
    rig.mock_api.faults.clear()
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    assert naming.poll()
    for _ in range(7):
        rig.clock.now += 600
        assert poller.poll()
    assert rig.events("workflow_batches")[
        "inkit_batch_generations_finished_total", "workflow", "inkit_storage", "failed"
    ]
