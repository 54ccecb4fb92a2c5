"""Work beside the event loop."""

import asyncio
import functools
import threading

import pytest

from exporter.web.background import OneAtATime, in_thread


def test_the_event_loop_continues_while_work_takes_long() -> None:
    done = threading.Event()

    async def both() -> bool:
        work = asyncio.create_task(in_thread(lambda: done.wait(20.0), "work"))
        await asyncio.sleep(0)
        done.set()
        return await work

    assert asyncio.run(both())


def test_what_the_work_raises_is_raised_to_who_waits() -> None:
    def work() -> None:
        raise LookupError("x")

    with pytest.raises(LookupError):
        asyncio.run(in_thread(work, "work"))


def test_the_loop_may_end_before_the_work() -> None:
    done = threading.Event()

    async def left() -> threading.Thread:
        task = asyncio.create_task(in_thread(lambda: done.wait(20.0), "left"))
        await asyncio.sleep(0)
        [thread] = [thread for thread in threading.enumerate() if thread.name == "left"]
        task.cancel()
        return thread

    thread = asyncio.run(left())
    assert thread.daemon
    done.set()
    thread.join(20.0)
    assert not thread.is_alive()


def test_works_of_one_kind_run_one_at_a_time_in_their_order() -> None:
    started: list[int] = []
    may_end = threading.Event()

    def work(number: int) -> int:
        started.append(number)
        assert may_end.wait(20.0)
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
