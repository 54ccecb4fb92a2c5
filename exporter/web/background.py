"""Run slow work outside the event loop, so that probes and other scrapes are answered meanwhile."""

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T], name: str) -> _T:
    """Return what `work` returns in a daemon thread of this name, or raise what it raises.

    It is no executor's thread, because the program would wait for that at its end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def fulfill() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 (who waits gets it)
            settle(functools.partial(done.set_exception, error))
        else:
            settle(functools.partial(done.set_result, result))

    def settle(setting: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(lambda: None if done.done() else setting())

    thread = threading.Thread(target=fulfill, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The loop waits for the work: scrapes show what else fails because the system has no thread to give.
        fulfill()
    return await done


class OneAtATime:
    """Runs functions in threads, one at a time, in the order in which they came."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = asyncio.Semaphore(1)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, or raise what it raises."""
        async with self._turn:
            return await in_thread(work, self._name)


class Shared(Generic[_T]):
    """Runs functions in threads, one at a time. All who wait for the same thing share one run.

    However many ask at once, each waits for the run that is under way and for one of each thing that is asked for.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = asyncio.Semaphore(1)
        self._waiting: dict[Hashable, asyncio.Task[_T]] = {}
        """Runs that have not begun."""

    async def run(self, key: Hashable, work: Callable[[], _T]) -> _T:
        """Return what `work` returns, or raise what it raises. Calls with an equal key are for the same thing.

        The run begins after this call: its result is no older than what was asked for.
        """
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._begin(key, work))
        # Another may still wait for it when this one does not any more.
        return await asyncio.shield(task)

    async def _begin(self, key: Hashable, work: Callable[[], _T]) -> _T:
        async with self._turn:
            del self._waiting[key]
            return await in_thread(work, self._name)
