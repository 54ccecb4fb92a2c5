"""TLS as clients meet it, over real sockets."""

import base64
import contextlib
import http.client
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from exporter.web.config import Current
from exporter.web.server.connection import DEFAULTS, Limits
from exporter.web.server.server import Server, listen
from exporter.web.server.tls import _names
from tests.support import certificates
from tests.support.serving import (
    GENEROUS,
    GET,
    LONG,
    Place,
    Program,
    answers,
    connect,
    eventually,
    long_winded,
    noted_connections,
    read_answers,
    read_to_end,
    serving,
    speak,
)

SOON = Limits(request_seconds=1.0, answer_seconds=1.0)
"""A handshake is to fit in, also on a machine that is busy."""
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
USERS = f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n"
AUTHORIZED = b"Authorization: Basic " + base64.b64encode(b"alice:secret") + b"\r\n"
REQUIRED = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
IF_GIVEN = REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")


@pytest.fixture
def folder(tmp_path: Path, certificates: Path) -> Path:
    """Certificates that a test may change."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    return tmp_path


@contextlib.contextmanager
def secured(
    folder: Path, content: str = TLS, limits: Limits = DEFAULTS, program: Program | None = None
) -> Iterator[Place]:
    file = folder / "web.yml"
    file.write_text(content)
    with serving(program or Program(), limits, web=file) as place:
        yield place


@contextlib.contextmanager
def shaken(place: Place, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A client after its handshake, to which an end that could be somebody's cut is an error."""
    with (
        connect(place) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client,
    ):
        yield client


def is_cut_off(client: ssl.SSLSocket) -> bool:
    """Whether the connection ends without a byte. Python 3.11.2 reports that as an end, newer ones as an error."""
    try:
        return client.recv(1) == b""
    except (ssl.SSLEOFError, ConnectionResetError):
        return True


def status(place: Place, context: ssl.SSLContext, path: str = "/-/healthy") -> int:
    connection = http.client.HTTPSConnection(*place, context=context, timeout=GENEROUS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def at_most(version: ssl.TLSVersion, folder: Path, name: str | None = None) -> ssl.SSLContext:
    context = certificates.client(folder, name)
    context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_is_answered_over_tls(folder: Path, version: ssl.TLSVersion) -> None:
    with secured(folder) as place:
        assert status(place, at_most(version, folder)) == 200


def test_a_connection_serves_one_request_after_the_other(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as client:
        for _ in range(3):
            client.sendall(GET)
            assert answers(read_answers(client, 1)) == 1


def test_a_thousand_requests_sent_at_once_are_all_answered(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as client:
        sender = threading.Thread(target=client.sendall, args=(GET * 1000,))
        sender.start()
        assert answers(read_answers(client, 1000)) == 1000
        sender.join()


def test_a_long_answer_arrives_complete_and_the_connection_ends_in_order(folder: Path) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with secured(folder, program=long_winded()) as place, shaken(place, certificates.client(folder)) as client:
        client.sendall(request)
        received = 0
        while data := client.recv(65536):  # An end without close_notify would raise an error here.
            received += len(data)
        assert received > LONG


def test_a_client_that_speaks_plain_http_is_told_so(folder: Path) -> None:
    with secured(folder) as place:
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            assert speak(place, f"{method} / HTTP/1.1\r\n\r\n".encode()) == (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
            )
        assert not speak(place, b"nonsense, and more than a header of it\r\n\r\n").startswith(b"HTTP")


def test_plain_http_is_recognised_however_it_is_cut_into_pieces(folder: Path) -> None:
    with secured(folder) as place, connect(place) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for byte in b"GET / HTTP/1.1\r\n\r\n":
                client.sendall(bytes([byte]))
        assert read_to_end(client).startswith(b"HTTP/1.0 400 Bad Request\r\n")


def test_clients_that_stall_in_the_handshake_hold_nobody_up_and_are_cut_off(folder: Path) -> None:
    with secured(folder, limits=SOON) as place, contextlib.ExitStack() as clients:
        stalled = [clients.enter_context(connect(place)) for _ in range(20)]
        for client in stalled[::2]:
            client.sendall(b"\x16\x03\x01")
        assert status(place, certificates.client(folder)) == 200
        assert [read_to_end(client) for client in stalled] == [b""] * 20


def test_clients_in_the_handshake_count_among_those_connected(folder: Path) -> None:
    with secured(folder, limits=Limits(connections=3)) as place, contextlib.ExitStack() as clients:
        silent = [clients.enter_context(connect(place)) for _ in range(3)]
        assert status(place, certificates.client(folder)) == 200
        assert read_to_end(silent[0]) == b""


def test_a_client_that_is_silent_after_the_handshake_is_cut_off(folder: Path) -> None:
    with secured(folder, limits=SOON) as place, shaken(place, certificates.client(folder)) as client:
        assert is_cut_off(client)


def test_a_client_that_does_not_read_its_answer_is_cut_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = noted_connections(monkeypatch)
    (folder / "web.yml").write_text(TLS)
    sockets = listen("127.0.0.1:0")
    server = Server(long_winded().app, sockets, SOON, Current(folder / "web.yml"))
    server.start()
    place = sockets[0].getsockname()
    with connect(place, 4096) as plain:
        client = certificates.client(folder).wrap_socket(plain, server_hostname="127.0.0.1")
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b"H"
        assert status(place, certificates.client(folder)) == 200
        eventually(lambda: not connections)
        client.close()
    assert server.stop(GENEROUS)


def test_a_client_that_takes_long_to_read_has_more_time_for_it_than_for_a_request(folder: Path) -> None:
    limits = Limits(request_seconds=1.0, answer_seconds=GENEROUS)
    with (
        secured(folder, limits=limits, program=long_winded()) as place,
        shaken(place, certificates.client(folder)) as slow,
    ):
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert slow.recv(1) == b"H"
        with connect(place) as silent:
            assert read_to_end(silent) == b""
        received = 0
        while data := slow.recv(65536):
            received += len(data)
        assert received > LONG


def test_new_connections_have_the_new_certificate_and_old_ones_go_on(folder: Path) -> None:
    with secured(folder) as place, shaken(place, certificates.client(folder)) as old:
        before = old.getpeercert(binary_form=True)
        for kind in ("pem", "key"):
            shutil.copy(folder / f"other.{kind}", folder / f"server.{kind}")
        with shaken(place, certificates.client(folder)) as new:
            assert new.getpeercert(binary_form=True) != before
        old.sendall(GET)
        assert answers(read_answers(old, 1)) == 1


def test_a_client_certificate_is_required_and_verified(folder: Path) -> None:
    with secured(folder, TLS + REQUIRED) as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            status(place, certificates.client(folder))
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_a_client_certificate_may_be_left_out_where_it_is_verified_if_given(folder: Path) -> None:
    with secured(folder, TLS + IF_GIVEN) as place:
        assert status(place, certificates.client(folder)) == 200
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_without_an_authority_of_its_own_those_of_the_system_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with secured(folder, TLS + "  client_auth_type: RequireAndVerifyClientCert\n") as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_a_new_client_authority_counts_for_new_connections(folder: Path) -> None:
    with secured(folder, TLS + REQUIRED) as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        for name in ("scraper", "server"):
            shutil.copy(folder / f"{name}.pem", folder / f"{name}.old")
        mine = certificates.client(folder, "scraper")
        certificates.make(folder)
        with pytest.raises(ssl.SSLError):
            status(place, mine)
        assert status(place, certificates.client(folder, "scraper")) == 200


@pytest.mark.parametrize("san", ["scraper.example", "scraper@example.net", "2001:db8::1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_must_be_for_one_of_the_allowed_names(
    folder: Path, san: str, version: ssl.TLSVersion
) -> None:
    with secured(folder, TLS + REQUIRED + f"  client_allowed_sans: ['{san}', another]\n") as place:
        assert status(place, at_most(version, folder, "scraper")) == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            status(place, at_most(version, folder, "other"))


def test_without_an_allowed_name_no_certificate_will_do_but_none_may_be_given(folder: Path) -> None:
    with secured(folder, TLS + IF_GIVEN + "  client_allowed_sans: []\n") as place:
        assert status(place, certificates.client(folder)) == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            status(place, certificates.client(folder, "scraper"))


def test_names_of_every_kind_are_written_as_go_writes_them() -> None:
    kinds = (("DNS", "a.example"), ("URI", "spiffe://x/y"), ("IP Address", "2001:DB8:0:0:0:0:0:1\n"), ("DirName", ()))
    assert _names({"subjectAltName": kinds}) == {"a.example", "spiffe://x/y", "2001:db8::1"}
    assert _names({"subject": ()}) == set()


def test_the_version_can_be_limited_on_both_sides(folder: Path) -> None:
    with secured(folder, TLS + "  min_version: TLS13\n") as place:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            status(place, at_most(ssl.TLSVersion.TLSv1_2, folder))
        assert status(place, certificates.client(folder)) == 200
    with secured(folder, TLS + "  max_version: TLS12\n") as place, shaken(place, certificates.client(folder)) as client:
        assert client.version() == "TLSv1.2"


def test_a_cipher_suite_of_the_list_is_used_and_no_other(folder: Path) -> None:
    suite = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
    client = at_most(ssl.TLSVersion.TLSv1_2, folder)
    with secured(folder, TLS + suite) as place:
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        with shaken(place, client) as one:
            assert (one.cipher() or [None])[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        client.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            status(place, client)
    with secured(folder, TLS + suite + "  prefer_server_cipher_suites: false\n") as place:
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        with shaken(place, client) as one:
            assert (one.cipher() or [None])[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_a_curve_of_the_list_is_used_and_no_other(folder: Path) -> None:
    with secured(folder, TLS + "  curve_preferences: [CurveP384]\n") as place:
        client = certificates.client(folder)
        client.set_ecdh_curve("secp384r1")
        assert status(place, client) == 200
        client.set_ecdh_curve("prime256v1")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            status(place, client)


def test_http_1_1_is_what_is_agreed_on(folder: Path) -> None:
    client = certificates.client(folder)
    client.set_alpn_protocols(["h2", "http/1.1"])
    with secured(folder) as place, shaken(place, client) as one:
        assert one.selected_alpn_protocol() == "http/1.1"


def test_a_client_that_ends_in_order_is_let_go(folder: Path) -> None:
    patient = Limits(request_seconds=10 * GENEROUS)
    with secured(folder, limits=patient) as place, shaken(place, certificates.client(folder)) as client:
        plain = client.unwrap()
        assert plain.recv(1) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("path", ["/metrics", "/-/healthy"])
def test_a_client_that_says_at_once_that_its_request_is_all_gets_its_answer(
    folder: Path, version: ssl.TLSVersion, path: str
) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with secured(folder, USERS + TLS, program=long_winded()) as place:
        answer = tls_answer(place, at_most(version, folder), request.replace(b"Host", AUTHORIZED + b"Host"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(answer) > (LONG if path == "/metrics" else 100)


def tls_answer(place: Place, context: ssl.SSLContext, request: bytes) -> bytes:
    """What comes for a request that is sent together with the end of the connection (close_notify)."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    received = bytearray()
    with connect(place) as client:
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            client.sendall(outgoing.read())
            incoming.write(client.recv(65536))
        tls.write(request)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        client.sendall(outgoing.read())
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(2**20):
            incoming.write(data)
            received += read_all(tls)
    return bytes(received)


def read_all(tls: ssl.SSLObject) -> bytes:
    received = bytearray()
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
        while data := tls.read(65536):
            received += data
    return bytes(received)


def test_a_request_that_comes_byte_by_byte_is_answered(folder: Path) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.client(folder).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

    def trickle(client: socket.socket) -> None:
        for byte in outgoing.read():
            client.sendall(bytes([byte]))

    with secured(folder) as place, connect(place) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                trickle(client)
                incoming.write(client.recv(65536))
        tls.write(GET)
        trickle(client)
        received = b""
        while b"healthy.\n" not in received:
            incoming.write(client.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                while True:
                    received += tls.read(65536)
        assert answers(received) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_that_is_taken_up_again_is_judged_by_its_certificate_too(
    folder: Path, version: ssl.TLSVersion
) -> None:
    with secured(folder, TLS + REQUIRED + "  client_allowed_sans: [scraper.example]\n") as place:
        for name, end in (("scraper", b"H"), ("other", b"")):
            context = at_most(version, folder, name)
            session = None
            for _ in range(2):
                with connect(place) as plain:
                    client = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
                    with contextlib.suppress(OSError):
                        client.sendall(GET)
                    assert client.recv(1) == end
                    assert client.session_reused is (session is not None)
                    session = client.session
                    client.close()
