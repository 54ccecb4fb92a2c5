"""A response is sent in pieces that are neither tiny nor large, whatever chunks it is made of."""

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.app import PIECE_BYTES, respond
from exporter.web.asgi import Scope
from exporter.web.messages import Response

SCOPE: Scope = {"method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
SMALL = 2**16
SIZES = st.sampled_from(
    [0, 1, 50, SMALL, SMALL + 1, PIECE_BYTES // 2, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES]
)


def sent(chunks: tuple[bytes, ...]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Send a response of these chunks. Return its headers, and its pieces without the empty last one."""
    messages = []

    async def send(message: Any) -> None:
        messages.append(message)

    asyncio.run(respond(SCOPE, send, Response(200, "text/plain", chunks)))
    start, *pieces, last = messages
    assert last == {"type": "http.response.body", "body": b""}
    return dict(start["headers"]), [bytes(piece["body"]) for piece in pieces]


@given(st.lists(SIZES, max_size=12))
def test_any_chunks_are_sent_whole_in_pieces_of_which_none_is_large(sizes: list[int]) -> None:
    chunks = tuple(bytes([number]) * size for number, size in enumerate(sizes))
    headers, pieces = sent(chunks)
    assert b"".join(pieces) == b"".join(chunks)
    assert headers[b"content-length"] == b"%d" % sum(sizes)
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


@given(st.lists(st.sampled_from([1, 50, SMALL // 2, SMALL]), min_size=12, max_size=20))
def test_no_two_pieces_of_small_chunks_would_fit_into_one(sizes: list[int]) -> None:
    sizes = [*sizes, *[SMALL] * 5]
    _, pieces = sent(tuple(bytes(size) for size in sizes))
    assert len(pieces) >= 2
    assert [left + right for left, right in pairwise(map(len, pieces)) if left + right <= PIECE_BYTES] == []


def test_thousands_of_lines_are_sent_together() -> None:
    _, pieces = sent((b"a_metric 1\n",) * 5000)
    assert len(pieces) == 1


def test_a_large_chunk_is_sent_without_a_copy() -> None:
    chunk = bytes(SMALL + 1)
    pieces = []

    async def send(message: Any) -> None:
        pieces.append(message.get("body"))

    asyncio.run(respond(SCOPE, send, Response(200, "text/plain", (b"head", chunk, b"tail"))))
    assert [piece.obj for piece in pieces if isinstance(piece, memoryview)] == [chunk]
    assert pieces[2].obj is chunk
