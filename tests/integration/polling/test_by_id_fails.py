"""Requests by ID that fail while the list answers: nothing old is shown as fresh, and no single record hides others."""

import pytest

from exporter.demo.faults import Fault
from exporter.demo.items import document_batch, generations, workflow_batch
from exporter.model.record import Reason
from tests.support import faults
from tests.support.rig import HOUR, NOW, Rig

OPEN = {"box": generations(2, completed=1)}
DONE = {"box": generations(2, completed=2)}
FAILED = {"box": generations(2, completed=1, failed=1)}
BY_ID = "/batch/*"
FAULTS = [
    pytest.param(faults.status(500), Reason.SERVER_ERROR, id="500"),
    pytest.param(faults.status(400), Reason.CLIENT_ERROR, id="400"),
    pytest.param(faults.status(404), Reason.CLIENT_ERROR, id="404"),
    pytest.param(faults.status(405), Reason.CLIENT_ERROR, id="405"),
    pytest.param(faults.html(), Reason.MALFORMED, id="no JSON"),
]


def fill(rig: Rig, old: int) -> None:
    """Fill some pages with finished batches, and add so many in flight below them."""
    rig.world.extend(
        "document_batches", [document_batch(f"rb_{n}", NOW - n * 60, destinations=DONE) for n in range(250)]
    )
    below = [document_batch(f"rb_old_{n}", NOW - 50 * HOUR - n * HOUR, destinations=OPEN) for n in range(old)]
    rig.world.extend("document_batches", below)


def by_id(rig: Rig) -> list[str]:
    return [request.path for request in rig.mock_api.requests if request.path.rpartition("/")[2].startswith("rb_")]


@pytest.mark.parametrize("old", [1, 8])
@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_a_poll_fails_if_no_request_by_id_is_answered(rig: Rig, fault: Fault, reason: Reason, old: int) -> None:
    fill(rig, old)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    rig.mock_api.faults.add(fault, path=BY_ID)
    rig.clock.now += 60
    rig.mock_api.requests.clear()
    assert not poller.poll()
    assert (poller.status.up, poller.status.reason) == (False, reason)
    denied = fault.answer is not None and fault.answer.status == 404
    assert len(set(by_id(rig))) == (old + 2 if denied else 3)
    rig.mock_api.faults.clear()
    rig.clock.now += 60
    assert poller.poll()


@pytest.mark.parametrize("fault", [pytest.param(fault.values[0], id=fault.id) for fault in FAULTS])
def test_a_record_that_is_not_returned_hides_no_other(rig: Rig, fault: Fault) -> None:
    fill(rig, 8)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    for broken in ("rb_old_0", "rb_old_4", "rb_old_7"):
        rig.mock_api.faults.add(fault, path=f"/batch/{broken}")
    for n in range(8):
        rig.world.update("document_batches", f"rb_old_{n}", destinations=DONE)
    rig.clock.now += 60
    assert poller.poll()
    assert rig.gauges("document_batches")["inkit_batch_generations", "document", "box", "in_progress"] == 3


def test_what_the_list_shows_is_counted_while_no_request_by_id_is_answered(rig: Rig) -> None:
    fill(rig, 3)
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(500), path=BY_ID)
    rig.world.add("document_batches", document_batch("rb_new", NOW + 30, destinations=FAILED))
    rig.world.update("document_batches", "rb_200", destinations=FAILED)
    for _ in range(70):
        rig.clock.now += 60
        poller.poll()
    failures = "inkit_batch_generations_finished_total", "document", "box", "failed"
    assert rig.events("document_batches")[failures] == 2


def test_records_in_flight_that_the_list_shows_need_no_answer_by_id(rig: Rig) -> None:
    """A record that is no longer in the list, and that is not in flight, is only left unchecked."""
    fill(rig, 0)
    rig.world.add("document_batches", document_batch("rb_open", NOW - 30, destinations=OPEN))
    poller = rig.poller("document_batches", page_size=25)
    assert poller.poll()
    rig.world.remove("document_batches", "rb_200")
    rig.mock_api.faults.add(faults.status(500), path=BY_ID)
    rig.clock.now += HOUR
    assert poller.poll()
    assert rig.own(poller).rejected == {"not_answered": 1}


@pytest.mark.parametrize("others", [True, False])
def test_without_a_list_one_record_hides_no_other_and_none_is_a_failed_poll(rig: Rig, others: bool) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW, destinations=OPEN))
    if others:
        rig.world.add("workflow_batches", workflow_batch("fb_2", NOW, destinations=DONE))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1", "fb_2"))
    assert poller.poll()
    rig.mock_api.faults.add(faults.status(500), path="/invoke/batch/fb_1")
    for _ in range(3):
        rig.clock.now += 60
        poller.poll()
    assert poller.status.up is others
    rig.mock_api.faults.add(faults.status(500), path="/invoke/batch/*")
    rig.clock.now += 60
    assert not poller.poll()
    assert poller.status.reason is Reason.SERVER_ERROR


def test_without_a_list_a_record_that_was_deleted_long_ago_does_not_stand_for_the_others(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    for n, destinations in enumerate((DONE, OPEN, DONE)):
        rig.world.add("workflow_batches", workflow_batch(f"fb_{n}", NOW - 100 + n, destinations=destinations))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1", "fb_2", "fb_0"))
    assert poller.poll()
    rig.world.remove("workflow_batches", "fb_0")
    for _ in range(3):
        rig.clock.now += HOUR
        assert poller.poll()
    assert rig.own(poller).vanished == 1
    rig.mock_api.faults.add(faults.status(500), path="/invoke/batch/fb_1")
    rig.clock.now += 60
    assert poller.poll()
