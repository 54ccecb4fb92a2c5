"""Fetching a file by its presigned URL: what is sent, what is refused, and that it never hangs or shows the URL."""

import gzip
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from exporter.client.deadline import TICK_SECONDS
from exporter.client.download import SecretUrl, download
from exporter.client.resolve import Address, HostResolver, system_addresses
from exporter.client.transport import FileTransport
from exporter.demo.faults import Delivery, Fault
from exporter.demo.http_types import Answer
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support import faults
from tests.support.hosts import ipv4
from tests.support.leap import Leap
from tests.support.patience import GENEROUS
from tests.support.ports import free_port
from tests.support.rig import Rig
from tests.support.scripted import scripted

API = "api.test"
QUERY = "?X-Amz-Signature=CANARY"
CONTENT = Answer(200, b"row,code\n" * 20, {})
OK = b"HTTP/1.1 200 OK\r\n"


def new_transport() -> FileTransport:
    return FileTransport(TLSConfig(), None, "127.0.0.1")


def fetch(url: str, deadline: float = GENEROUS, transport: FileTransport | None = None) -> bytes:
    with download(transport or new_transport(), SecretUrl(url), deadline) as body:
        return b"".join(body.parts)


def failure(url: str, deadline: float = GENEROUS, transport: FileTransport | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, deadline, transport)
    assert "CANARY" not in str(caught.value)
    return caught.value


def file_url(rig: Rig, fault: Fault) -> str:
    """Return a URL at which the mock API answers with this fault."""
    rig.mock_api.faults.add(fault, "/files/*")
    return rig.mock_api.url.removesuffix("/v1") + "/files/errors.csv" + QUERY


def test_a_file_comes_in_parts_and_its_size_is_known_before(rig: Rig) -> None:
    content = bytes(range(256)) * 1024
    url = file_url(rig, Fault(Answer(200, content, {})))
    with download(new_transport(), SecretUrl(url), GENEROUS) as body:
        parts = list(body.parts)
    assert b"".join(parts) == content
    assert len(parts) > 1
    assert body.size == len(content)


def test_no_token_no_cookie_and_no_password_goes_with_it() -> None:
    with scripted(OK + b"Set-Cookie: a=b\r\nConnection: close\r\n\r\nok") as server:
        made = new_transport()
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
        ("https://127.0.0.1:1025/a b", Reason.MALFORMED),
        ("http://127.0.0.1:1025\\.example/", Reason.MALFORMED),
        ("https://user:CANARY@127.0.0.1:1025/", Reason.MALFORMED),
        # A proxy may read them as this machine.
        ("https://[::1%25lo]:1025/errors.csv", Reason.MALFORMED),
        ("https://loc%61lhost:1025/errors.csv", Reason.MALFORMED),
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
        pytest.param(faults.hang(), Reason.TIMEOUT, id="no-answer"),
        pytest.param(Fault(CONTENT, delivery=Delivery.DRIPPED, every=0.05), Reason.TIMEOUT, id="drips"),
        pytest.param(faults.drip(0.05, head=True), Reason.TIMEOUT, id="drips-the-headers"),
    ],
)
def test_every_failure_has_its_reason_within_the_deadline(rig: Rig, fault: Fault, reason: Reason) -> None:
    url = file_url(rig, fault)
    started = time.monotonic()
    assert failure(url, deadline=0.5 if reason is Reason.TIMEOUT else GENEROUS).reason is reason
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(("status", "expired"), [(403, True), (404, True), (410, True), (400, False), (500, False)])
def test_an_expired_url_is_said_to_be_one(rig: Rig, status: int, expired: bool) -> None:
    assert ("expired" in str(failure(file_url(rig, faults.status(status))))) is expired


@pytest.mark.parametrize(
    ("status", "redirect", "reason"),
    [
        (300, True, Reason.CLIENT_ERROR),
        (399, True, Reason.CLIENT_ERROR),
        (400, False, Reason.CLIENT_ERROR),
        (499, False, Reason.CLIENT_ERROR),
        (500, False, Reason.SERVER_ERROR),
    ],
)
def test_each_kind_of_refusal_has_its_reason(rig: Rig, status: int, redirect: bool, reason: Reason) -> None:
    error = failure(file_url(rig, faults.status(status)))
    assert error.reason is reason
    assert ("redirects are not followed" in str(error)) is redirect


def test_a_redirect_is_not_followed(rig: Rig) -> None:
    url = file_url(rig, faults.redirect(f"{rig.mock_api.url}/elsewhere{QUERY}", 302))
    assert "redirects are not followed" in str(failure(url))
    assert [request.path for request in rig.mock_api.requests] == ["/files/errors.csv"]


def test_a_port_where_nobody_listens_is_a_connection_error_without_the_url() -> None:
    assert "refused" in str(failure(f"http://localhost:{free_port()}/file" + QUERY))


def test_a_server_that_closes_after_a_slow_body_cannot_hold_it_either() -> None:
    with scripted(OK + b"Connection: close\r\n\r\n", *[b"x"] * 200, every=0.05) as server:
        assert failure(server.url, deadline=0.4).reason is Reason.TIMEOUT


def test_a_large_file_may_take_longer_than_the_deadline_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, leap = threading.Semaphore(0), Leap(monkeypatch)

    def take_long(number: int) -> None:
        if number:
            assert wanted.acquire(timeout=GENEROUS)
            # For the one that wants the part to begin to wait for it.
            time.sleep(0.02)
            leap.ahead += 0.6 * GENEROUS

    head, parts = OK + b"Content-Length: 393216\r\n\r\n", [b"x" * 65_536] * 6
    received = 0
    with (
        scripted(head, *parts, before=take_long) as server,
        download(new_transport(), SecretUrl(server.url), GENEROUS) as body,
    ):
        wanted.release()
        for part in body.parts:
            received += len(part)
            wanted.release()
    assert received == 393_216


def test_what_is_done_with_a_part_is_not_the_servers_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    size, leap = 20_000_000, Leap(monkeypatch)
    url = SecretUrl(file_url(rig, Fault(Answer(200, b"x" * size, {}))))
    with download(new_transport(), url, GENEROUS) as body:
        received = len(next(body.parts))
        leap.ahead += 2 * GENEROUS
        # For the thread that looks at deadlines.
        time.sleep(2 * TICK_SECONDS)
        assert received + sum(map(len, body.parts)) == size


def named(address: str, port: int = 0) -> HostResolver:
    """Return a resolver that resolves every name but that of the API to this address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def resolve(host: str, given: int) -> list[Address]:
        return system_addresses("8.8.8.8", given) if host == API else [Address(family, (address, port or given))]

    return HostResolver(resolve)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("100.64.1.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("240.0.0.1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::10.0.0.1", "private"),
        ("2002:7f00:1::", "reserved"),
        ("2001:0:7f00:1::", "reserved"),
    ],
)
def test_a_host_that_only_this_machine_or_its_network_reaches_is_not_asked(address: str, kind: str) -> None:
    """It is refused by its address and by a name, whether or not a proxy would request it."""
    literal = f"[{address}]" if ":" in address else address
    for host, proxy in [("files.test", None), (literal, None), (literal, "http://127.0.0.1:1")]:
        transport = FileTransport(TLSConfig(), proxy, API, named(address))
        error = failure(f"https://{host}/errors.csv" + QUERY, transport=transport)
        assert error.reason is Reason.MALFORMED
        assert f"leads to a {kind} address" in str(error)
        assert host not in str(error)


def test_the_server_of_a_host_that_is_not_permitted_is_not_connected_to() -> None:
    with scripted(OK) as server:
        port = urlsplit(server.url).port or 0
        transport = FileTransport(TLSConfig(), None, API, named("127.0.0.1", port))
        failure("https://files.test/" + QUERY, transport=transport)
    assert not server.asked


@pytest.mark.parametrize("form", ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "a.localhost."])
def test_an_address_is_known_in_every_form(form: str) -> None:
    for proxy in (None, "http://127.0.0.1:1"):
        transport = FileTransport(TLSConfig(), proxy, API, named("127.0.0.1"))
        assert "leads to a loopback address" in str(failure(f"https://{form}/" + QUERY, transport=transport))


def test_the_address_that_was_looked_at_is_the_one_connected_to() -> None:
    """A name that resolves to another address a moment later is not looked up again."""
    with scripted(OK + b"Content-Length: 2\r\n\r\nok") as server:
        answers = iter([ipv4(urlsplit(server.url).port or 0), Address(socket.AF_INET, ("169.254.169.254", 80))])
        transport = FileTransport(TLSConfig(), None, "127.0.0.1", HostResolver(lambda host, port: [next(answers)]))
        assert fetch("http://localhost/file" + QUERY, transport=transport) == b"ok"
    assert len(list(answers)) == 1


def test_where_the_api_is_on_such_a_host_its_files_may_be_too() -> None:
    with scripted(OK + b"Content-Length: 2\r\n\r\nok") as server:
        for api_host in ("127.0.0.1", "localhost", "::1"):
            assert fetch(server.url + QUERY, transport=FileTransport(TLSConfig(), None, api_host)) == b"ok"


@pytest.mark.parametrize("api_host", ["10.0.0.1", API, "169.254.1.1", "internal.test"])
def test_but_on_no_host_of_another_kind(api_host: str) -> None:
    transport = FileTransport(TLSConfig(), None, api_host, named("10.0.0.1"))
    assert failure("https://127.0.0.1:1025/" + QUERY, transport=transport).reason is Reason.MALFORMED


def test_the_kind_of_the_apis_host_is_that_of_its_address() -> None:
    with scripted(OK + b"Content-Length: 2\r\n\r\nok") as server:
        port = urlsplit(server.url).port or 0
        transport = FileTransport(TLSConfig(), None, "internal.test", named("127.0.0.1", port))
        # Of plain http the name must say so; the handshake that fails here shows that it was connected to.
        assert failure("https://files.test/" + QUERY, transport=transport).reason is Reason.TLS
    assert server.asked


@pytest.mark.parametrize("api_host", [API, "10.0.0.1", "127.0.0.1.example"])
def test_plain_http_is_not_used_where_the_api_is_elsewhere(api_host: str) -> None:
    error = failure("http://127.0.0.1:1025/" + QUERY, transport=FileTransport(TLSConfig(), None, api_host))
    assert error.reason is Reason.TLS


@pytest.mark.parametrize("port", [0, 1, 22, 25, 444, 1023])
def test_a_port_of_another_service_is_not_used(port: int) -> None:
    for scheme in ("http", "https"):
        assert "a port of another service" in str(failure(f"{scheme}://127.0.0.1:{port}/" + QUERY))


def test_the_first_port_of_nobodys_is_used() -> None:
    assert "another service" not in str(failure("https://127.0.0.1:1024/" + QUERY))


def test_the_size_of_an_encoded_file_is_not_that_of_its_encoding(rig: Rig) -> None:
    url = file_url(rig, Fault(Answer(200, gzip.compress(b"row,code\n"), {"Content-Encoding": "gzip"})))
    with download(new_transport(), SecretUrl(url), GENEROUS) as body:
        assert b"".join(body.parts) == b"row,code\n"
    assert body.size is None


def test_a_presigned_url_does_not_show_itself() -> None:
    url = SecretUrl("https://files.example/CANARY")
    assert "CANARY" not in f"{url} {url!r} {[url]}"
    assert url.reveal() == "https://files.example/CANARY"
