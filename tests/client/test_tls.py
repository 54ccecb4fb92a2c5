"""TLS with an API, against a real TLS server with certificates of an authority made for the test."""

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from exporter.client import Request
from exporter.client.transport import Tls
from exporter.records import FetchError, Reason
from tests.rig import client

ANY = Request("/batch", "/batch")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that doesn't trust us is what some of the tests are about."""


@contextmanager
def served(context: ssl.SSLContext) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


def reason(url: str, tls: Tls) -> FetchError:
    with pytest.raises(FetchError) as caught:
        client(url, tls=tls).get(ANY)
    return caught.value


def test_an_authority_of_the_operators_own_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority)) as url:
        assert client(url, tls=Tls(ca_file=str(tmp_path / "ca.pem"))).get(ANY) == {}


def test_an_unknown_authority_is_refused_with_the_reason(authority: trustme.CA) -> None:
    with served(context(authority)) as url:
        error = reason(url, Tls())
    assert error.reason is Reason.TLS
    assert "unable to get local issuer certificate" in str(error)


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority, "api.example")) as url:
        error = reason(url, Tls(ca_file=str(tmp_path / "ca.pem")))
    assert error.reason is Reason.TLS
    assert "127.0.0.1" in str(error)


def test_the_name_to_expect_can_be_given(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority, "api.example")) as url:
        assert client(url, tls=Tls(ca_file=str(tmp_path / "ca.pem"), server_name="api.example")).get(ANY) == {}


def test_verification_can_be_switched_off(authority: trustme.CA) -> None:
    with served(context(authority, "api.example")) as url:
        assert client(url, tls=Tls(insecure_skip_verify=True)).get(ANY) == {}


def test_a_client_certificate_is_shown_where_there_is_one(authority: trustme.CA, tmp_path: Path) -> None:
    demanding = context(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    ours = authority.issue_cert("exporter.example")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    known = Tls(ca_file=str(tmp_path / "ca.pem"))
    shown = Tls(known.ca_file, str(tmp_path / "ours.pem"), str(tmp_path / "ours.pem"))
    with served(demanding) as url:
        assert client(url, tls=shown).get(ANY) == {}
        assert reason(url, known).reason in (Reason.TLS, Reason.CONNECTION)


def test_a_server_that_hangs_in_the_handshake_cannot_hold_a_request() -> None:
    with _Server(("127.0.0.1", 0), _Handler) as silent:
        started = time.monotonic()
        with pytest.raises(FetchError) as caught:
            client(f"https://127.0.0.1:{silent.server_address[1]}", deadline=0.4).get(ANY)
        assert caught.value.reason is Reason.TIMEOUT
        assert time.monotonic() - started < 3
