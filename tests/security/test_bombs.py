"""Answers that are made to use up memory or time before their body begins, or between its parts."""

import pytest

from exporter.client import Request
from exporter.model.record import FetchError
from tests.support.rig import client
from tests.support.scripted import scripted

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MUCH = [b"0" * 65_536] * 1024
"""64 MiB, without the end of a line."""
LITTLE = 32 * 1024 * 1024
"""Bytes, of three attempts, most of them in the system's buffers on the way."""


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(MUCH, id="status-line"),
        pytest.param([OK + b"X: ", *MUCH], id="header"),
        pytest.param([OK, *[b"X: y\r\n" * 10_000] * 1024], id="headers"),
        pytest.param([CHUNKED, *MUCH], id="size-of-a-chunk"),
        pytest.param([CHUNKED + b"1;", *MUCH], id="extension-of-a-chunk"),
        pytest.param([CHUNKED + b"0\r\n", *MUCH], id="trailer"),
    ],
)
def test_a_head_without_end_is_given_up_early(pieces: list[bytes]) -> None:
    with scripted(*pieces) as server, pytest.raises(FetchError, match="no connection, or it was lost"):
        client(server.url, deadline=60).get(Request("/batch", "/batch"))
    assert server.asked
    assert server.sent < LITTLE


def test_answers_before_the_answer_end_with_the_deadline() -> None:
    pieces = [b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000
    with scripted(*pieces, every=0.001) as server, pytest.raises(FetchError, match="no complete answer within"):
        client(server.url, deadline=0.3).get(Request("/batch", "/batch"))
