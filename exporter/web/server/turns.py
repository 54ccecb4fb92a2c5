"""Let responses take turns, so that one that is short is not held up by long ones."""

import asyncio
import heapq
import itertools


class Turns:
    """Gives one turn in each pass of the event loop, to who has the least left to send.

    So a scrape that has begun is completed before the next one of its size begins, and all others of the loop's work
    waits for no more than one piece. Used by the event loop's thread alone.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._taken = False
        """Whether the turn of this pass is taken."""

    async def take(self, left: int) -> None:
        """Wait for the turn of who has so many bytes left. It lasts until the caller waits for something else."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._give)
            return
        turn: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (left, next(self._numbers), turn))
        await turn

    def _give(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            # A client that has gone takes no turn.
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._give)
                return
        self._taken = False
