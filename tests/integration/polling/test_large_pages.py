"""A server whose pages are large is asked for smaller ones."""

import math
from dataclasses import replace
from typing import Any

from exporter.client import Client, Request
from exporter.demo.items import document_batch
from exporter.model.record import FetchError, Reason
from tests.support.doubles import digest
from tests.support.rig import HOUR, NOW, Rig, client

ROW_BYTES = 400 * 1024


class Heavy(Client):
    """Of each row's size an answer is made that is too large, as if it were on the wire."""

    heavy = True
    budget = math.inf
    """The bytes there is room for, even for a page that can't be smaller."""

    def get(self, request: Request) -> Any:
        rows = int(request.params.get("page_size", 1))
        most = min(self.budget, request.most or math.inf)
        if self.heavy and rows * ROW_BYTES > most:
            raise FetchError(Reason.TOO_LARGE, f"the answer is larger than {most} bytes")
        return super().get(replace(request, most=None))

    def get_unless(self, request: Request, known: bytes) -> tuple[bytes, Any]:
        answer = self.get(request)
        return digest(answer), answer


def heavy(rig: Rig) -> Heavy:
    made = client(rig.mock_api.url, meter=rig.meter)
    made.__class__ = Heavy
    assert isinstance(made, Heavy)
    return made


def filled(rig: Rig) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n * 60) for n in range(330)])


def test_fewer_rows_are_asked_for_from_the_first_page_on_and_all_records_are_counted(rig: Rig) -> None:
    filled(rig)
    poller = rig.poller("document_batches", asking=heavy(rig))
    assert poller.poll()
    assert rig.exact("document_batches")
    assert set(rig.asked("page_size")) == {"25"}


def test_where_pages_become_large_later_they_are_fewer_rows_at_the_next_poll_and_nothing_is_lost(rig: Rig) -> None:
    filled(rig)
    asking = heavy(rig)
    asking.heavy = False
    poller = rig.poller("document_batches", asking=asking)
    assert poller.poll()
    asking.heavy = True
    for number in range(3):
        rig.clock.now += 60
        rig.world.add("document_batches", document_batch(f"rb_new_{number}", rig.clock.now))
        assert poller.poll()
    rig.clock.now += HOUR
    rig.reconcile(poller)
    assert rig.exact("document_batches")
    assert rig.asked("page_size")[-1] == "25"


def test_a_record_that_is_too_large_by_itself_fails_each_poll_until_it_is_smaller(rig: Rig) -> None:
    filled(rig)
    asking = heavy(rig)
    asking.budget = ROW_BYTES - 1
    poller = rig.poller("document_batches", asking=asking)
    for number in range(3):
        assert not poller.poll()
        assert rig.own(poller).poll_errors == {Reason.TOO_LARGE: number + 1}
    assert rig.asked("page_size") == []
    asking.budget = ROW_BYTES
    assert poller.poll()
    assert rig.exact("document_batches")
    assert set(rig.asked("page_size")) == {"1"}


def test_records_of_a_newest_page_that_was_larger_are_no_repetition_when_a_backfill_is_resumed(rig: Rig) -> None:
    """They have moved down, each to a page of the new size."""
    filled(rig)
    asking = heavy(rig)
    asking.heavy = False
    rig.fail_after(1)
    poller = rig.poller("document_batches", asking=asking)
    assert not poller.poll()
    asking.heavy = True
    assert not poller.poll()
    rig.mock_api.faults.clear()
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", NOW + n / 10) for n in range(100)])
    rig.clock.now += 60
    assert poller.poll()
    assert rig.exact("document_batches")
