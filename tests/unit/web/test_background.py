"""Work beside the event loop."""

import asyncio
import functools
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.background import OneAtATime, Shared, in_thread
from tests.support.patience import GENEROUS


def test_the_event_loop_continues_while_work_takes_long() -> None:
    done = threading.Event()

    async def both() -> bool:
        work = asyncio.create_task(in_thread(lambda: done.wait(GENEROUS), "work"))
        await asyncio.sleep(0)
        done.set()
        return await work

    assert asyncio.run(both())


def test_what_the_work_raises_is_raised_to_who_waits() -> None:
    def work() -> None:
        raise LookupError("x")

    with pytest.raises(LookupError):
        asyncio.run(in_thread(work, "work"))


def test_work_for_which_the_system_has_no_thread_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def fail() -> None:
        raise LookupError("x")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert asyncio.run(in_thread(threading.current_thread, "work")) is threading.current_thread()
    with pytest.raises(LookupError):
        asyncio.run(in_thread(fail, "work"))


def test_the_loop_may_end_before_the_work() -> None:
    done = threading.Event()

    async def left() -> threading.Thread:
        task = asyncio.create_task(in_thread(lambda: done.wait(GENEROUS), "left"))
        await asyncio.sleep(0)
        [thread] = [thread for thread in threading.enumerate() if thread.name == "left"]
        task.cancel()
        return thread

    thread = asyncio.run(left())
    assert thread.daemon
    done.set()
    thread.join(GENEROUS)
    assert not thread.is_alive()


def test_works_of_one_kind_run_one_at_a_time_in_their_order() -> None:
    started: list[int] = []
    may_end = threading.Event()

    def work(number: int) -> int:
        started.append(number)
        assert may_end.wait(GENEROUS)
        return number

    async def all_of_them() -> list[int]:
        turns = OneAtATime("work")
        works = asyncio.gather(*(turns.run(functools.partial(work, number)) for number in range(20)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert started == [0]
        may_end.set()
        return await works

    assert asyncio.run(all_of_them()) == started == list(range(20))


class Works:
    """Works that end when they are let go, and what began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()

    def of(self, key: str, asked: int) -> Callable[[], tuple[int, int]]:
        def work() -> tuple[int, int]:
            self.begun.append(key)
            assert self.go.wait(GENEROUS)
            return asked, len(self.begun)

        return work


async def passes(times: int = 50) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30))
def test_all_who_wait_for_the_same_thing_share_one_run_that_begins_after_they_asked(keys: list[str]) -> None:
    async def ask() -> list[tuple[int, int]]:
        works, shared = Works(), Shared[tuple[int, int]]("work")
        first = asyncio.create_task(shared.run(keys[0], works.of(keys[0], -1)))
        await passes()
        asked = [asyncio.create_task(shared.run(key, works.of(key, number))) for number, key in enumerate(keys)]
        await passes()
        works.go.set()
        assert await first == (-1, 1)
        found = await asyncio.gather(*asked)
        assert works.begun == [keys[0], *dict.fromkeys(keys)]
        return found

    found = asyncio.run(ask())
    for key, (asked, begun) in zip(keys, found, strict=True):
        assert asked == keys.index(key)
        assert begun > 1


def test_who_does_not_wait_any_more_takes_nothing_from_the_others_who_wait_for_the_same() -> None:
    async def ask() -> tuple[int, int]:
        works, shared = Works(), Shared[tuple[int, int]]("work")
        under_way = asyncio.create_task(shared.run("a", works.of("a", 0)))
        await passes()
        gone, stays = (asyncio.create_task(shared.run("a", works.of("a", number))) for number in (1, 2))
        await passes()
        gone.cancel()
        await passes()
        works.go.set()
        await under_way
        return await stays

    assert asyncio.run(ask())[1] == 2


def test_what_a_shared_run_raises_is_raised_to_all_who_wait_and_the_next_run_begins() -> None:
    def fails() -> int:
        raise LookupError("x")

    async def ask() -> tuple[list[object], int]:
        shared = Shared[int]("work")
        results = await asyncio.gather(*(shared.run("a", fails) for _ in range(3)), return_exceptions=True)
        return list(results), await shared.run("a", lambda: 7)

    results, after = asyncio.run(ask())
    assert [type(result) for result in results] == [LookupError] * 3
    assert after == 7
