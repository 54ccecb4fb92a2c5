"""A request ends at its deadline also where the connection is already let go of."""

import time

import pytest

from exporter.client.transport import Tls, Transport
from exporter.records import FetchError, Reason
from tests.scripted import scripted

OLD = b"HTTP/1.0 200 OK\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("head", [OLD, CLOSING], ids=["old", "closing"])
@pytest.mark.parametrize(("body", "every"), [((b"x",) * 100, 0.05), ((), 5.0)], ids=["drips", "hangs"])
def test_a_body_that_ends_with_its_connection_is_cut_off_and_not_taken_for_a_whole_one(
    head: bytes, body: tuple[bytes, ...], every: float
) -> None:
    with scripted(head, *body, every=every) as server:
        started = time.monotonic()
        with pytest.raises(FetchError) as caught:
            Transport(Tls(), None, 1).get(server.url, {}, {}, 0.4)
        assert caught.value.reason is Reason.TIMEOUT
        assert time.monotonic() - started < 2
