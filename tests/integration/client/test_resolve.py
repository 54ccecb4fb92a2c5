"""Looking names up: a resolver that does not answer, fails or answers nonsense costs a request its deadline at most."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from exporter.client.deadline import Deadline
from exporter.client.resolve import Address, HostResolver, LookupTimeout
from exporter.client.transport import Transport
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support.hosts import ipv4
from tests.support.leap import Leap
from tests.support.patience import GENEROUS, eventually
from tests.support.scripted import scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
URL = "http://api.test/batch"


class Resolver:
    """Gives no answer until it has recovered, and counts how often it was asked."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses = addresses
        self.asked = 0
        self.recovered = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        self.recovered.wait(GENEROUS)
        return self.addresses


@pytest.fixture
def silent() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.recovered.set()


def ask(transport: Transport, deadline: float) -> FetchError | None:
    try:
        transport.get(URL, {}, {}, deadline)
    except FetchError as error:
        return error
    return None


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_resolver_that_does_not_answer_cannot_hold_a_request_beyond_its_deadline(silent: Resolver) -> None:
    started = time.monotonic()
    error = ask(Transport(TLSConfig(), None, HostResolver(silent)), 0.3)
    assert error is not None
    assert error.reason is Reason.TIMEOUT
    assert "the name server has not answered" in str(error)
    assert time.monotonic() - started < 15


def test_nor_can_it_where_the_proxys_name_is_looked_up(silent: Resolver) -> None:
    started = time.monotonic()
    error = ask(Transport(TLSConfig(), "http://user:CANARY@proxy.test:3128", HostResolver(silent)), 0.3)
    assert error is not None
    assert error.reason is Reason.TIMEOUT
    assert "CANARY" not in str(error)
    assert time.monotonic() - started < 15


def test_nor_can_it_hold_a_request_that_is_ended_from_outside(silent: Resolver) -> None:
    transport = Transport(TLSConfig(), None, HostResolver(silent))
    thread = in_background(lambda: ask(transport, GENEROUS))
    eventually(lambda: silent.asked == 1)
    started = time.monotonic()
    transport.close()
    thread.join(GENEROUS)
    assert not thread.is_alive(), "a reload waits for it"
    assert time.monotonic() - started < GENEROUS / 4


def test_the_deadline_holds_for_the_look_up_and_the_answer_together(monkeypatch: pytest.MonkeyPatch) -> None:
    leap = Leap(monkeypatch)
    with scripted(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 200, every=0.05) as server:
        port = urlsplit(server.url).port or 0

        def slow(_host: str, _port: int) -> Sequence[Address]:
            leap.ahead += GENEROUS - 0.5
            return [ipv4(port)]

        error = ask(Transport(TLSConfig(), None, HostResolver(slow)), GENEROUS)
    # With all of its time for itself the answer would be complete.
    assert error is not None
    assert error.reason is Reason.TIMEOUT


def test_requests_for_one_name_share_a_look_up(silent: Resolver) -> None:
    lookups = HostResolver(silent)
    threads = [in_background(lambda: ask(Transport(TLSConfig(), None, lookups), 0.3)) for _ in range(30)]
    for thread in threads:
        thread.join(GENEROUS)
    assert silent.asked == 1


def test_a_resolver_that_recovers_is_asked_again_at_the_next_request(silent: Resolver) -> None:
    with scripted(OK) as server:
        silent.addresses = (ipv4(urlsplit(server.url).port or 0),)
        lookups = HostResolver(silent)
        assert ask(Transport(TLSConfig(), None, lookups), 0.2) is not None
        silent.recovered.set()
        assert ask(Transport(TLSConfig(), None, lookups), GENEROUS) is None
        eventually(lambda: ask(Transport(TLSConfig(), None, lookups), GENEROUS) is None and silent.asked > 1)


def test_a_look_up_that_has_no_answer_for_long_is_given_up_but_only_a_few_times() -> None:
    resolver, now = Resolver(), [0.0]
    lookups = HostResolver(resolver, lambda: now[0])
    for number in range(50):
        now[0] = number * 10.0
        thread = in_background(lambda: lookups_fail(lookups))
        thread.join(GENEROUS)
        # Half a minute each.
        asked = min(4, 1 + number // 3)
        eventually(lambda asked=asked: resolver.asked == asked)  # type: ignore[misc]
    resolver.recovered.set()


def lookups_fail(lookups: HostResolver) -> None:
    with pytest.raises(LookupTimeout):
        lookups.addresses("api.test", 443, Deadline(0.01))


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        OSError(24, "Too many open files"),
        TimeoutError(110, "Connection timed out"),
    ],
    ids=["unknown", "temporary", "system", "timeout"],
)
def test_what_the_resolver_says_is_said(error: OSError) -> None:
    def fail(_host: str, _port: int) -> Sequence[Address]:
        raise error

    found = ask(Transport(TLSConfig(), None, HostResolver(fail)), GENEROUS)
    assert found is not None
    assert found.reason in (Reason.CONNECTION, Reason.TIMEOUT)
    assert found.reason is Reason.TIMEOUT or str(error.strerror) in str(found)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "::1", "2130706433"])
def test_an_address_is_not_looked_up(silent: Resolver, host: str) -> None:
    assert HostResolver(silent).addresses(host, 80, Deadline(GENEROUS))
    assert silent.asked == 0


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "\x00", "ä\udcff", "." * 300])
def test_what_is_no_name_is_an_error_of_the_system(host: str) -> None:
    with pytest.raises(socket.gaierror):
        HostResolver().addresses(host, 80, Deadline(GENEROUS))


def test_localhost_is_looked_up_by_the_system() -> None:
    assert {address.host for address in HostResolver().addresses("localhost", 80, Deadline(GENEROUS))} <= {
        "127.0.0.1",
        "::1",
    }
