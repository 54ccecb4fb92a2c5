"""Responses take turns: the one with the least left first, and one in each pass of the loop."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.server.turns import Turns


async def taken(sizes: list[int], piece: int) -> list[int]:
    """Send responses of these sizes that begin at once, in pieces. Return the places of the senders in their turns."""
    turns, order = Turns(), list[int]()

    async def send(place: int, left: int) -> None:
        while left > 0:
            await turns.take(left)
            order.append(place)
            left -= piece

    # The first one has the turn, so that all others wait for the next one.
    await asyncio.gather(turns.take(0), *(send(place, size) for place, size in enumerate(sizes)))
    return order


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 20))
def test_who_has_the_least_left_is_served_to_the_end_before_the_next(sizes: list[int], piece: int) -> None:
    order = asyncio.run(taken(sizes, piece))
    in_turns = sorted(range(len(sizes)), key=lambda place: (sizes[place], place))
    assert order == [place for place in in_turns for _ in range(-(-sizes[place] // piece))]


def test_other_work_of_the_loop_waits_for_one_turn_at_most() -> None:
    async def beside() -> list[str]:
        turns, seen = Turns(), list[str]()

        async def send(left: int) -> None:
            for _ in range(10):
                await turns.take(left)
                seen.append("piece")

        async def other() -> None:
            for _ in range(10):
                seen.append("other")
                await asyncio.sleep(0)

        await asyncio.gather(*map(send, range(5)), other())
        return seen

    seen = asyncio.run(beside())
    assert seen.count("piece") == 50
    between = "".join("." if each == "piece" else "|" for each in seen).split("|")
    assert max(map(len, between[:-1])) <= 2


def test_a_client_that_is_gone_takes_no_turn() -> None:
    async def one_goes() -> str:
        turns = Turns()
        await turns.take(0)
        gone, stays = (asyncio.create_task(turns.take(left)) for left in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait_for(stays, 20.0)
        return "served"

    assert asyncio.run(one_goes()) == "served"


def test_a_turn_is_free_again_when_nobody_waits_for_it() -> None:
    async def twice() -> None:
        turns = Turns()
        for _ in range(2):
            await asyncio.wait_for(turns.take(1), 20.0)
            await asyncio.sleep(0)

    asyncio.run(twice())
