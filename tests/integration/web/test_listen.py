"""From a listen address to sockets."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.web.server.listen import ListenError, advice, first_port, listen, name_of
from tests.support.patience import GENEROUS
from tests.support.serving import HAS_IPV6, HAS_IPV6_SOCKETS


def _has_vsock() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_VSOCK):
        return True
    return False


HAS_VSOCK = _has_vsock()


@contextlib.contextmanager
def listening(address: str) -> Iterator[list[socket.socket]]:
    sockets = listen(address)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def reachable(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=GENEROUS):
        return True
    return False


def resolver(*hosts: str) -> object:
    """Return a getaddrinfo for which every name has these addresses."""

    def getaddrinfo(*_: object, **__: object) -> list[tuple[socket.AddressFamily, int, int, str, tuple[str, int]]]:
        families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in hosts]
        return [(family, 1, 6, "", (host, 0)) for family, host in zip(families, hosts, strict=True)]

    return getaddrinfo


def test_an_address_is_listened_on_and_no_other() -> None:
    with listening("127.0.0.1:0") as sockets:
        assert len(sockets) == 1
        host, port = sockets[0].getsockname()
        assert host == "127.0.0.1"
        assert reachable("127.0.0.1", port)


def test_the_port_is_the_one_that_was_asked_for() -> None:
    with listening("127.0.0.1:0") as sockets:
        free = sockets[0].getsockname()[1]
    with listening(f"127.0.0.1:{free}") as sockets:
        assert sockets[0].getsockname()[1] == free


def test_a_name_is_resolved() -> None:
    with listening("localhost:0") as sockets:
        assert {each.getsockname()[0] for each in sockets} <= {"127.0.0.1", "::1"}
        assert reachable("localhost", sockets[0].getsockname()[1])


def test_an_ipv6_address_stands_in_brackets() -> None:
    if not HAS_IPV6:
        with pytest.raises(ListenError, match=r"cannot listen on \[::1\]:0: this machine has no such"):
            listen("[::1]:0")
        return
    with listening("[::1]:0") as sockets:
        assert sockets[0].family == socket.AF_INET6
        assert reachable("::1", sockets[0].getsockname()[1])


def test_a_port_alone_is_listened_on_under_ipv6_and_ipv4() -> None:
    with listening(":0") as sockets:
        port = sockets[0].getsockname()[1]
        assert reachable("127.0.0.1", port)
        assert reachable("::1", port) is HAS_IPV6


def test_a_port_alone_is_listened_on_under_ipv4_where_there_is_no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listening(":0") as sockets:
        assert [each.family for each in sockets] == [socket.AF_INET]
        assert reachable("127.0.0.1", sockets[0].getsockname()[1])


def test_a_port_alone_is_listened_on_under_ipv4_where_ipv6_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_server

    def without_ipv6(address: tuple[str, int], **options: object) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return real(address)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    with listening(":0") as sockets:
        assert [each.family for each in sockets] == [socket.AF_INET]


def test_a_name_with_several_addresses_gives_a_socket_for_each_on_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("127.0.0.1", "127.0.0.2", "127.0.0.1"))
    with listening("both:0") as sockets:
        names = [each.getsockname() for each in sockets]
        assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
        assert len({port for _, port in names}) == 1


def test_an_address_of_a_name_that_the_machine_has_not_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("192.0.2.1", "127.0.0.1"))
    with listening("both:0") as sockets:
        assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1"]


def test_when_one_of_several_addresses_is_in_use_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.2:0") as sockets:
        port = sockets[0].getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", resolver("127.0.0.1", "127.0.0.2"))
        with pytest.raises(ListenError, match="in use"):
            listen(f"both:{port}")
        monkeypatch.undo()
        with listening(f"127.0.0.1:{port}"):
            pass


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10977",
        "localhost",
        "localhost:",
        ":http",
        ":65536",
        ":-1",
        ":1 ",
        "::1:10977",
        "[::1]",
        "[]:1",
        "a:b:1",
        "http://x:1",
    ],
)
def test_a_malformed_address_is_shown_beside_good_ones(address: str) -> None:
    with pytest.raises(ListenError) as caught:
        listen(address)
    assert f"cannot listen on {address!r}: expected HOST:PORT" in str(caught.value)
    assert "as in :10977, 127.0.0.1:10977 or [::1]:10977" in str(caught.value)


@pytest.mark.parametrize("wildcard", [False, True], ids=["host", "port alone"])
def test_an_address_in_use_is_named_with_the_advice(wildcard: bool) -> None:
    with listening(":0" if wildcard else "127.0.0.1:0") as sockets:
        address = f"{'' if wildcard else '127.0.0.1'}:{sockets[0].getsockname()[1]}"
        with pytest.raises(ListenError) as caught:
            listen(address)
    assert f"cannot listen on {address}: the port is in use" in str(caught.value)
    assert "--web.listen-address" in str(caught.value)


def test_an_address_of_another_machine_is_named_with_the_advice() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0: this machine has no such address"):
        listen("192.0.2.1:0")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 70])
def test_a_host_that_is_not_known_is_named_with_the_advice(host: str) -> None:
    with pytest.raises(ListenError) as caught:
        listen(f"{host}:0")
    assert f"cannot listen on {host}:0: the host is not known: check its spelling" in str(caught.value)


def test_a_privileged_port_is_explained() -> None:
    assert "below 1024 needs privileges" in advice(PermissionError(errno.EACCES, "Permission denied"))


def test_an_error_that_nobody_foresaw_is_reported_in_the_system_s_words() -> None:
    assert advice(OSError(errno.ENOBUFS, "No buffer space available")) == "No buffer space available"
    assert advice(OSError("timed out")) == "timed out"


def test_a_unix_socket_is_listened_on(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    with listening(f"unix://{path}") as sockets, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert (name_of(sockets[0]), first_port(sockets)) == (f"unix://{path}", 0)


def test_a_unix_socket_that_nobody_listens_on_any_more_is_replaced(tmp_path: Path) -> None:
    address = f"unix://{tmp_path / 'exporter.sock'}"
    for _ in range(2):
        with listening(address):
            pass


def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "exporter.sock"
    with listening(f"unix://{path}"), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(ListenError, match="is in use"):
            listen(f"unix://{path}")
        client.connect(str(path))


def test_a_file_in_the_place_of_a_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(ListenError, match="there is a file that is not a socket; choose another path"):
        listen(f"unix://{path}")
    assert path.read_text() == "precious"


@pytest.mark.parametrize("address", ["unix://", "unix://run/x.sock"])
def test_the_path_of_a_unix_socket_is_absolute(address: str) -> None:
    with pytest.raises(ListenError, match=r"expected unix:// and an absolute path, as in unix:///run/x\.sock"):
        listen(address)


def test_a_unix_socket_s_path_may_be_too_long_or_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="the path is too long"):
        listen(f"unix://{tmp_path / ('x' * 200)}")
    with pytest.raises(ListenError, match="there is no such folder"):
        listen(f"unix://{tmp_path / 'nowhere' / 'x.sock'}")


def test_a_vsock_port_is_listened_on_where_the_machine_has_such() -> None:
    if not HAS_VSOCK:
        with pytest.raises(ListenError, match="cannot listen on vsock://:10977: this machine has no such"):
            listen("vsock://:10977")
        return
    with listening("vsock://:10977") as sockets:
        assert (name_of(sockets[0]), first_port(sockets)) == ("vsock://:10977", 0)


def test_a_socket_is_named_as_its_address_would_be_written() -> None:
    with listening("127.0.0.1:0") as sockets:
        assert name_of(sockets[0]) == f"127.0.0.1:{first_port(sockets)}"
    with listening(":0") as sockets:
        assert name_of(sockets[0]) == f"{'[::]' if HAS_IPV6_SOCKETS else '0.0.0.0'}:{first_port(sockets)}"


@pytest.mark.parametrize(
    ("number", "passing"),
    [
        (errno.EADDRINUSE, True),
        (errno.EADDRNOTAVAIL, True),
        (errno.EMFILE, True),
        (errno.EACCES, False),
        (errno.EAFNOSUPPORT, False),
    ],
)
def test_what_may_be_over_by_the_next_attempt_is_distinguished(
    monkeypatch: pytest.MonkeyPatch, number: int, passing: bool
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refused)
    with pytest.raises(ListenError) as caught:
        listen("127.0.0.1:0")
    assert caught.value.passing is passing


@pytest.mark.parametrize("code", [socket.EAI_AGAIN, socket.EAI_NONAME])
def test_a_name_server_that_does_not_answer_may_by_the_next_attempt(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(ListenError, match="the host is not known") as caught:
        listen("exporter.example:0")
    assert caught.value.passing is (code == socket.EAI_AGAIN)
