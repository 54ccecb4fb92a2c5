"""How many bytes of answers are under way at once, whatever their number and sizes."""

import contextlib
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import Client, Request, Stopping, ThreadRunner
from exporter.client.client import AHEAD_BYTES, Access
from exporter.client.deadline import Deadline
from exporter.client.memory_budget import MemoryBudget, Reservation
from exporter.client.rate_limit import RateLimiter
from exporter.client.resolve import SYSTEM
from exporter.client.transport import RequestLimits, Transport
from exporter.demo.faults import Fault
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support import faults
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import TOKEN, Meter, Pauses, Rig, as_it_is, client
from tests.support.scripted import scripted

MIB = 1024 * 1024


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 60)), max_size=60),
)
def test_never_is_more_under_way_than_the_room_and_one_answer(most: int, steps: list[tuple[int, int]]) -> None:
    budget, sizes = MemoryBudget(most), [0] * 5
    reservations = [budget.reserve() for _ in sizes]
    for number, grown in steps:
        if budget.set_size(reservations[number], sizes[number] + grown):
            sizes[number] += grown
        assert budget.bytes == sum(sizes)
        assert budget.bytes <= most + max(sizes)


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=5), min_size=1, max_size=6))
def test_all_come_to_their_end_however_large_they_are(answers: list[list[int]]) -> None:
    """Those that began first go on, so that no two wait for each other."""
    budget = MemoryBudget(10)
    left = {budget.reserve(): list(parts) for parts in answers}
    sizes = dict.fromkeys(left, 0)
    for _ in range(sum(map(len, answers)) + len(answers)):
        for reservation, parts in list(left.items()):
            if not parts:
                budget.release(reservation)
                del left[reservation]
            elif budget.set_size(reservation, sizes[reservation] + parts[0]):
                sizes[reservation] += parts.pop(0)
    assert not left
    assert budget.bytes == 0


def grown(reservation: Reservation, size: int, deadline: Deadline) -> tuple[threading.Thread, list[bool]]:
    granted: list[bool] = []
    thread = threading.Thread(target=lambda: granted.append(reservation.grow(size, deadline)), daemon=True)
    thread.start()
    return thread, granted


def test_the_time_that_an_answer_waits_is_not_its_servers() -> None:
    budget, deadline = MemoryBudget(10), Deadline(GENEROUS)
    first, second = budget.reserve(), budget.reserve()
    assert first.grow(8, Deadline(GENEROUS))
    thread, granted = grown(second, 8, deadline)
    eventually(lambda: deadline.left > GENEROUS)
    first.release()
    thread.join(GENEROUS)
    assert granted == [True]
    assert deadline.left <= GENEROUS


def test_who_waits_is_ended_from_outside() -> None:
    budget, deadline = MemoryBudget(10), Deadline(GENEROUS)
    first = budget.reserve()
    assert first.grow(8, Deadline(GENEROUS))
    thread, granted = grown(budget.reserve(), 8, deadline)
    deadline.cut()
    thread.join(GENEROUS)
    assert granted == [False]


def test_an_answer_that_was_dropped_without_a_word_keeps_no_other_waiting() -> None:
    budget = MemoryBudget(10)
    dropped = budget.reserve()
    assert dropped.grow(8, Deadline(GENEROUS))
    del dropped
    assert budget.bytes == 0
    assert budget.reserve().grow(80, Deadline(GENEROUS))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.empty(), id="malformed"),
        pytest.param(faults.raw(b"{}"), id="good"),
        pytest.param(faults.status(500), id="500"),
        pytest.param(faults.truncated(), id="truncated"),
        pytest.param(faults.huge(65 * MIB), id="too-large"),
        pytest.param(faults.drip(0.05), id="drips"),
    ],
)
def test_however_a_request_ends_its_room_is_free_again(rig: Rig, fault: Fault) -> None:
    budget = MemoryBudget()
    rig.mock_api.faults.add(fault)
    access = Access(rig.mock_api.url, "Token", lambda: TOKEN, 0.5)
    asking = Client(
        access,
        Transport(TLSConfig(), None, SYSTEM, RequestLimits(budget)),
        RateLimiter(1e6, 4, time.monotonic),
        Meter(),
        ThreadRunner(Pauses()),
    )
    with contextlib.suppress(FetchError, Stopping):
        asking.get(Request("/batch", "/batch"))
    assert budget.bytes == 0


def padded(size: int) -> bytes:
    body = b'{"items": []' + b" " * (size - 13) + b"}"
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def under_way(size: int, wanted: int, count: int = 6) -> int:
    """Return how many answers of this size are requested ahead, once the first is known; wait for those wanted."""
    with scripted(padded(size)) as server:
        answers = client(server.url, at_once=4).get_each([Request("/batch", "/batch")] * count, as_it_is)
        for _ in range(3):
            next(answers)
        # Requests ahead are sent before the wanted answer is returned.
        eventually(lambda: len(server.asked) >= 3 + wanted)
        time.sleep(0.2)
        asked = len(server.asked)
        assert len(list(answers)) == count - 3
    return asked - 3


def test_an_answer_belongs_to_its_caller_alone_while_the_next_is_not_wanted() -> None:
    with scripted(padded(100)) as server:
        for answer in client(server.url, at_once=1).get_each([Request("/batch", "/batch")] * 3, as_it_is):
            # The variable of this loop, and the argument of the call.
            assert sys.getrefcount(answer) == 2


def test_of_large_answers_none_are_asked_for_ahead() -> None:
    assert under_way(AHEAD_BYTES, 0) == 0


def test_of_small_ones_as_many_as_may_be_under_way() -> None:
    assert under_way(100, 3) == 3


def test_an_answer_ahead_that_is_large_unexpectedly_is_asked_for_again_when_it_is_wanted() -> None:
    with scripted(padded(6 * MIB)) as server:
        answers = list(client(server.url, at_once=4).get_each([Request("/batch", "/batch")] * 5, as_it_is))
        assert len(server.asked) > 5
    assert answers == [{"items": []}] * 5


def test_a_request_may_want_small_answers_only() -> None:
    with scripted(padded(2000)) as server:
        with pytest.raises(FetchError) as caught:
            client(server.url).get(Request("/batch", "/batch", most=1000))
        assert caught.value.reason is Reason.TOO_LARGE
        assert client(server.url).get(Request("/batch", "/batch", most=2000)) == {"items": []}


@pytest.mark.parametrize(("most", "allowed"), [(None, 1024), (16 * MIB, 256), (2, 1)])
def test_answers_are_as_much_smaller_as_the_largest_one_must_be(most: int | None, allowed: int) -> None:
    limits = RequestLimits(response_bytes=1024)
    with scripted(padded(1025)) as server:
        access = Access(server.url, "Token", lambda: TOKEN, GENEROUS)
        transport = Transport(TLSConfig(), None, SYSTEM, limits)
        asking = Client(access, transport, RateLimiter(1e6, 4, time.monotonic), Meter(), ThreadRunner(Pauses()))
        with pytest.raises(FetchError, match=rf"^the answer is larger than {allowed} bytes$") as caught:
            asking.get(Request("/batch", "/batch", most=most))
    assert caught.value.reason is Reason.TOO_LARGE


def test_an_answer_that_is_as_large_as_the_limits_allow_is_read() -> None:
    with scripted(padded(1024)) as server:
        transport = Transport(TLSConfig(), None, SYSTEM, RequestLimits(response_bytes=1024))
        assert len(transport.get(server.url, {}, {}, GENEROUS).body) == 1024
