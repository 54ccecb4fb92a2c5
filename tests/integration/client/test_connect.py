"""Reaching a host whose addresses don't all work, with real sockets."""

import base64
import contextlib
import itertools
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.client.connect import STAGGER_SECONDS, alternating, connect
from exporter.client.deadline import Deadline
from exporter.client.resolve import Address
from exporter.client.transport import Transport
from exporter.config.bounds import DESCRIPTORS_PER_WORKER
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support.hosts import at, black_hole, ipv4, no_route, refusing
from tests.support.patience import GENEROUS
from tests.support.properties import examples
from tests.support.scripted import scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
URL = "http://api.test/batch"


def ask(*addresses: Address, deadline: float = GENEROUS, proxy: str | None = None, url: str = URL) -> float:
    """Ask the host that has these addresses. Returns the seconds it took. Raises FetchError."""
    transport = Transport(TLSConfig(), proxy, at(*addresses))
    started = time.monotonic()
    assert transport.get(url, {}, {}, deadline).status == 200
    return time.monotonic() - started


def failure(*addresses: Address, deadline: float = GENEROUS, proxy: str | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        ask(*addresses, deadline=deadline, proxy=proxy)
    return caught.value


@pytest.fixture
def hole() -> Iterator[Address]:
    with black_hole() as address:
        yield address


@pytest.fixture
def serving() -> Iterator[Address]:
    with scripted(OK) as server:
        yield ipv4(urlsplit(server.url).port or 0)


def test_the_second_address_is_reached_although_the_first_drops_all_that_is_sent(
    hole: Address, serving: Address
) -> None:
    assert ask(hole, serving) < GENEROUS / 4


@pytest.mark.parametrize("proxy", ["http://proxy.test:3128", "http://user:CANARY@proxy.test:3128"])
def test_so_is_that_of_a_proxy(hole: Address, serving: Address, proxy: str) -> None:
    assert ask(hole, serving, proxy=proxy) < GENEROUS / 4


@pytest.mark.parametrize(("others", "moment"), [(1, STAGGER_SECONDS), (300, 0.19)])
def test_the_first_address_has_a_moment_for_itself(hole: Address, serving: Address, others: int, moment: float) -> None:
    started = time.monotonic()
    connect([hole, *[serving] * others], Deadline(GENEROUS)).close()
    assert time.monotonic() - started >= moment


def test_the_options_of_sockets_are_set(serving: Address) -> None:
    with connect([serving], Deadline(GENEROUS), [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]) as connected:
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_few_addresses_are_tried_in_parallel_however_many_there_are(
    hole: Address, serving: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sockets() -> set[str]:
        """Return the sockets of this process, each named by its inode: earlier ones may end at any moment."""
        found = set()
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
        return {name for name in found if name.startswith("socket:")}

    before = sockets()
    found: list[int] = []

    class Counted(socket.socket):
        def connect_ex(self, address: Any) -> int:
            found.append(len(sockets() - before))
            return super().connect_ex(address)

    monkeypatch.setattr("exporter.client.connect.STAGGER_SECONDS", 0.03)
    monkeypatch.setattr(socket, "socket", Counted)
    ask(*[hole] * 15, serving)
    assert len(found) == 16
    assert max(found) == DESCRIPTORS_PER_WORKER


def test_many_addresses_share_a_short_deadline(hole: Address, serving: Address) -> None:
    def in_time(_: int) -> bool:
        try:
            return ask(*[hole] * 15, serving, deadline=3.0) > 0
        except FetchError:
            return False

    # It has twice the time that it needs; a busy machine may need more now and then.
    assert any(map(in_time, range(5)))


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.sampled_from(["hole", "refusing", "no route"]), max_size=6),
    after=st.lists(st.sampled_from(["hole", "refusing", "no route", "serving"]), max_size=3),
)
def test_whatever_else_a_name_stands_for_the_address_that_serves_is_reached(
    hole: Address, serving: Address, before: list[str], after: list[str]
) -> None:
    known = {"hole": hole, "refusing": refusing(), "no route": no_route(), "serving": serving}
    assert ask(*(known[kind] for kind in (*before, "serving", *after)))


def test_what_fails_at_once_does_not_hold_up_the_next(serving: Address) -> None:
    assert ask(*[refusing(), no_route()] * 64, serving) < 25, "it would begin 32 s later"


def test_where_all_drop_what_is_sent_the_deadline_holds_and_it_is_said(hole: Address) -> None:
    started = time.monotonic()
    error = failure(*[hole] * 80, refusing(), deadline=0.6)
    assert error.reason is Reason.TIMEOUT
    assert "the host did not answer at its 81 addresses" in str(error)
    assert 0.5 < time.monotonic() - started < 25, "a deadline for each were 48 s"


@pytest.mark.parametrize(
    ("user_info", "sent"),
    [
        ("", None),
        ("@", None),
        (":@", None),
        ("user:pass@", b"user:pass"),
        ("user%40corp:p%3Aa%2F%20@", b"user@corp:p:a/ "),
        ("token@", b"token:"),
        ("token:@", b"token:"),
        (":pass@", b":pass"),
        ("us%C3%A9r:p@", b"us\xe9r:p"),
        ("us%C3%A9r:p%E2%82%AC@", "usér:p€".encode()),
        ("u:p%FF%0D%0AX@", b"u:p\xff\r\nX"),
    ],
)
def test_a_proxy_gets_the_user_and_the_password_of_its_url_whatever_they_are(
    user_info: str, sent: bytes | None
) -> None:
    with scripted(OK) as server:
        proxy = f"http://{user_info}{urlsplit(server.url).netloc}"
        assert Transport(TLSConfig(), proxy).get("http://api.test/batch", {}, {}, GENEROUS).status == 200
    found = re.search(rb"\r\nProxy-Authorization: Basic ([^\r]*)\r\n", server.asked[0])
    assert (None if found is None else base64.b64decode(found[1])) == sent


def test_of_a_proxy_it_is_said_too(hole: Address) -> None:
    error = failure(hole, deadline=0.3, proxy="http://user:CANARY@proxy.test:3128")
    assert error.reason is Reason.TIMEOUT
    assert "the proxy did not answer at its address" in str(error)
    assert "CANARY" not in str(error)


@pytest.mark.parametrize("order", list(itertools.permutations(["refused", "no route", "no route"])))
def test_a_refusal_says_more_than_a_missing_route(order: tuple[str, ...]) -> None:
    known = {"refused": refusing(), "no route": no_route()}
    error = failure(*(known[kind] for kind in order))
    assert error.reason is Reason.CONNECTION
    assert "refused" in str(error)


def test_a_host_without_an_address_is_said_to_have_none() -> None:
    error = failure()
    assert error.reason is Reason.CONNECTION
    assert "the host has no address" in str(error)


def test_an_end_from_outside_is_noticed_while_connecting(hole: Address) -> None:
    transport = Transport(TLSConfig(), None, at(hole))
    transport.close()
    started = time.monotonic()
    with pytest.raises(FetchError):
        transport.get(URL, {}, {}, 30.0)
    assert time.monotonic() - started < 15


@given(st.lists(st.sampled_from([ipv4(1), ipv4(2), ipv4(3), no_route(1), no_route(2), no_route(3)]), unique=True))
def test_families_take_turns_and_keep_their_order(addresses: list[Address]) -> None:
    ordered = alternating(addresses)
    assert sorted(map(repr, ordered)) == sorted(map(repr, addresses))
    assert ordered[:1] == addresses[:1]
    for family in {address.family for address in addresses}:
        assert [address for address in ordered if address.family == family] == [
            address for address in addresses if address.family == family
        ]
    fewer = min(Counter(address.family for address in addresses).values(), default=0)
    if fewer < len(addresses):
        assert all(before.family != after.family for before, after in itertools.pairwise(ordered[: 2 * fewer]))


def test_cookies_that_the_library_fails_on_are_nobodys_affair() -> None:
    """The library would print a traceback, as a warning."""
    cookies = b"".join(b"Set-Cookie%s: a=b; expires=2147483648\r\n" % version for version in (b"", b"2"))
    with scripted(OK.replace(b"\r\n", b"\r\n" + cookies, 1)) as server:
        assert bytes(Transport(TLSConfig(), None).get(server.url, {}, {}, GENEROUS).body) == b"{}"
