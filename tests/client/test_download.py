"""Fetching a file by its presigned URL: what is sent, what is refused, and that nothing holds it or shows the URL."""

import gzip
import math
import time

import pytest

from exporter.client.download import SecretUrl, download
from exporter.client.transport import Tls, Transport
from exporter.demo import faults
from exporter.demo.faults import Delivery, Fault
from exporter.demo.wire import Answer
from exporter.records import FetchError, Reason
from tests.rig import Rig
from tests.scripted import scripted

QUERY = "?X-Amz-Signature=CANARY"
CONTENT = Answer(200, b"row,code\n" * 20, {})
OK = b"HTTP/1.1 200 OK\r\n"


def transport() -> Transport:
    return Transport(Tls(), None, 1)


def fetch(url: str, deadline: float = 5.0) -> bytes:
    with download(transport(), SecretUrl(url), deadline) as body:
        return b"".join(body.parts)


def failure(url: str, deadline: float = 5.0) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, deadline)
    assert "CANARY" not in str(caught.value)
    return caught.value


def file_url(rig: Rig, fault: Fault) -> str:
    """Where the stand-in answers with this fault."""
    rig.stand_in.faults.add(fault, "/files/*")
    return rig.stand_in.url.removesuffix("/v1") + "/files/errors.csv" + QUERY


def test_a_file_comes_in_parts_and_its_size_is_known_before(rig: Rig) -> None:
    content = bytes(range(256)) * 1024
    url = file_url(rig, Fault(Answer(200, content, {})))
    with download(transport(), SecretUrl(url), 5.0) as body:
        parts = list(body.parts)
    assert b"".join(parts) == content
    assert len(parts) > 1
    assert body.size == len(content)


def test_no_token_no_cookie_and_no_password_goes_with_it() -> None:
    with scripted(OK + b"Set-Cookie: a=b\r\nConnection: close\r\n\r\nok") as server:
        made = transport()
        for _ in range(2):
            with download(made, SecretUrl(server.url + "/file" + QUERY), 5.0) as body:
                assert list(body.parts) == [b"ok"]
    for head in server.asked:
        names = {line.partition(b":")[0].lower() for line in head.splitlines()[1:] if line}
        assert names == {b"host", b"user-agent", b"accept", b"accept-encoding", b"connection"}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://files.example/errors.csv", Reason.TLS),
        ("http://localhost.example/errors.csv", Reason.TLS),
        ("http://127.0.0.1.example/errors.csv", Reason.TLS),
        ("ftp://127.0.0.1/errors.csv", Reason.TLS),
        ("file://localhost/etc/passwd", Reason.TLS),
        ("file:///etc/passwd", Reason.MALFORMED),
        ("https://", Reason.MALFORMED),
        ("https://[", Reason.MALFORMED),
        ("/files/errors.csv", Reason.MALFORMED),
        ("https://127.0.0.1:1/a b", Reason.MALFORMED),
        ("http://127.0.0.1:1\\.example/", Reason.MALFORMED),
        ("https://user:CANARY@127.0.0.1:1/", Reason.MALFORMED),
    ],
)
def test_a_url_that_is_not_https_or_not_clear_is_not_used(url: str, reason: Reason) -> None:
    assert failure(url + QUERY).reason is reason


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(faults.status(403), Reason.CLIENT_ERROR, id="expired"),
        pytest.param(faults.status(500), Reason.SERVER_ERROR, id="500"),
        pytest.param(faults.status(206), Reason.CLIENT_ERROR, id="a-part-of-it"),
        pytest.param(Fault(CONTENT, delivery=Delivery.TRUNCATED), Reason.CONNECTION, id="truncated"),
        pytest.param(faults.reset(), Reason.CONNECTION, id="reset"),
        pytest.param(faults.hang(), Reason.TIMEOUT, id="hangs"),
        pytest.param(Fault(CONTENT, delivery=Delivery.DRIPPED, every=0.05), Reason.TIMEOUT, id="drips"),
        pytest.param(faults.drip(0.05, head=True), Reason.TIMEOUT, id="drips-the-headers"),
    ],
)
def test_every_failure_has_its_reason_within_the_deadline(rig: Rig, fault: Fault, reason: Reason) -> None:
    url = file_url(rig, fault)
    started = time.monotonic()
    assert failure(url, deadline=0.5).reason is reason
    assert time.monotonic() - started < 3


def test_an_expired_url_is_said_to_be_one(rig: Rig) -> None:
    assert "expired" in str(failure(file_url(rig, faults.status(403))))


def test_a_redirect_is_not_followed(rig: Rig) -> None:
    url = file_url(rig, faults.redirect(f"{rig.stand_in.url}/elsewhere{QUERY}", 302))
    assert "redirects are not followed" in str(failure(url))
    assert [one.path for one in rig.stand_in.requests] == ["/files/errors.csv"]


def test_a_port_where_nobody_listens_is_a_connection_error_without_the_url() -> None:
    assert "refused" in str(failure("http://localhost:1/file" + QUERY))


def test_a_server_that_closes_after_a_slow_body_cannot_hold_it_either() -> None:
    with scripted(OK + b"Connection: close\r\n\r\n", *[b"x"] * 200, every=0.05) as server:
        assert failure(server.url, deadline=0.4).reason is Reason.TIMEOUT


def test_a_large_file_may_take_longer_than_the_deadline_of_a_part() -> None:
    parts = [b"x" * 65_536] * 6
    with scripted(OK + b"Content-Length: 393216\r\n\r\n", *parts, every=0.15) as server:
        assert len(fetch(server.url, deadline=0.5)) == 393_216


def test_what_is_done_with_a_part_is_not_the_servers_time(rig: Rig) -> None:
    made = transport()
    with download(made, SecretUrl(file_url(rig, Fault(Answer(200, b"x" * 200_000, {})))), 5.0) as body:
        next(body.parts)
        assert [cutoff.at for cutoff in made._watch._open] == [math.inf]


def test_the_size_of_an_encoded_file_is_not_that_of_its_encoding(rig: Rig) -> None:
    url = file_url(rig, Fault(Answer(200, gzip.compress(b"row,code\n"), {"Content-Encoding": "gzip"})))
    with download(transport(), SecretUrl(url), 5.0) as body:
        assert b"".join(body.parts) == b"row,code\n"
    assert body.size is None


def test_a_presigned_url_does_not_show_itself() -> None:
    url = SecretUrl("https://files.example/CANARY")
    assert "CANARY" not in f"{url} {url!r} {[url]}"
    assert url.reveal() == "https://files.example/CANARY"
