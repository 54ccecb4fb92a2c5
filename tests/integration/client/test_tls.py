"""TLS with an API, against a real TLS server with certificates of an authority made for the test."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import requests
import trustme

from exporter.client import Request, retry
from exporter.client.authorities import system_bundle
from exporter.client.connections import Session, new_session
from exporter.client.idle_connections import IdleConnections
from exporter.client.transport import Transport
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support.patience import GENEROUS
from tests.support.rig import Meter, client
from tests.support.tls_server import Handler, Server, context, served

ANY = Request("/batch", "/batch")


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def reason(url: str, tls: TLSConfig) -> FetchError:
    with pytest.raises(FetchError) as caught:
        client(url, tls=tls).get(ANY)
    return caught.value


def test_an_authority_of_the_operators_own_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority)) as url:
        assert client(url, tls=TLSConfig(ca_file=tmp_path / "ca.pem")).get(ANY) == {}


def test_an_unknown_authority_is_refused_with_the_reason(authority: trustme.CA) -> None:
    with served(context(authority)) as url:
        error = reason(url, TLSConfig())
    assert error.reason is Reason.TLS
    assert "unable to get local issuer certificate" in str(error)


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority, "api.example")) as url:
        error = reason(url, TLSConfig(ca_file=tmp_path / "ca.pem"))
    assert error.reason is Reason.TLS
    assert "127.0.0.1" in str(error)


def test_the_name_to_expect_can_be_given(authority: trustme.CA, tmp_path: Path) -> None:
    with served(context(authority, "api.example")) as url:
        assert client(url, tls=TLSConfig(ca_file=tmp_path / "ca.pem", server_name="api.example")).get(ANY) == {}


def test_verification_can_be_switched_off(authority: trustme.CA) -> None:
    with served(context(authority, "api.example")) as url:
        assert client(url, tls=TLSConfig(insecure_skip_verify=True)).get(ANY) == {}


def test_a_client_certificate_is_shown_where_there_is_one(authority: trustme.CA, tmp_path: Path) -> None:
    demanding = context(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    ours = authority.issue_cert("exporter.example")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    known = TLSConfig(ca_file=tmp_path / "ca.pem")
    shown = TLSConfig(known.ca_file, tmp_path / "ours.pem", tmp_path / "ours.pem")
    with served(demanding) as url:
        assert client(url, tls=shown).get(ANY) == {}
        assert reason(url, known).reason in (Reason.TLS, Reason.CONNECTION)


def test_a_server_that_is_silent_in_the_handshake_cannot_hold_a_request() -> None:
    with Server(("127.0.0.1", 0), Handler) as silent:
        started = time.monotonic()
        with pytest.raises(FetchError) as caught:
            client(f"https://127.0.0.1:{silent.server_address[1]}", deadline=0.4).get(ANY)
        assert caught.value.reason is Reason.TIMEOUT
        assert time.monotonic() - started < 15


def trust(monkeypatch: pytest.MonkeyPatch, file: Path | str) -> None:
    """Let this file be all that the system trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", "/none")


def test_an_authority_of_the_system_is_trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path / "ca.pem")
    with served(context(authority)) as url:
        assert client(url).get(ANY) == {}
        assert reason(url, TLSConfig(Path(certifi.where()))).reason is Reason.TLS, "a file is used instead, not as well"


def test_one_that_only_came_with_a_python_package_is_not(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "ca.pem"))
    with served(context(authority)) as url:
        assert reason(url, TLSConfig()).reason is Reason.TLS


def test_a_bundle_of_the_system_that_changes_is_read_again_at_the_next_connection(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "bundle.pem"
    trusted.write_bytes(trustme.CA().cert_pem.bytes())
    trust(monkeypatch, trusted)
    with served(context(authority)) as url:
        asking = client(url)
        with pytest.raises(FetchError):
            asking.get(ANY)
        trusted.write_bytes(authority.cert_pem.bytes())
        assert asking.get(ANY) == {}


def test_a_proxy_of_https_is_verified_by_the_authorities_of_the_system_too(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(context(authority)) as url:
        proxy = url.removesuffix("/v1")
        for file, known in [("/none", False), (str(tmp_path / "ca.pem"), True)]:
            trust(monkeypatch, file)
            with pytest.raises(FetchError) as caught:
                client("https://api.invalid/v1", proxy_url=proxy).get(ANY)
            # The server does not know CONNECT: it is a proxy that refuses.
            assert (caught.value.reason is Reason.CONNECTION) == known


def test_a_system_without_authorities_is_reported_with_what_to_do(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, "/none")
    with served(context(authority)) as url:
        error = reason(url, TLSConfig())
        assert client(url, tls=TLSConfig(insecure_skip_verify=True)).get(ANY) == {}, "who does not verify needs none"
    assert error.reason is Reason.TLS
    assert "no certificate authorities" in str(error)
    assert "tls_config.ca_file" in str(error)


def paths(file: str | None, folder: str | None) -> ssl.DefaultVerifyPaths:
    return ssl.get_default_verify_paths()._replace(cafile=file, capath=folder)  # type: ignore[arg-type]


def test_where_openssl_finds_authorities_it_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "a.pem").touch()
    (tmp_path / "ca.pem").write_text("x")
    assert system_bundle(paths(str(tmp_path / "ca.pem"), None)) is None
    assert system_bundle(paths(None, str(tmp_path / "certs"))) is None


def test_where_it_was_built_to_look_elsewhere_the_file_of_the_distribution_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.pem").touch()
    (tmp_path / "bundle.crt").write_text("x")
    bundles = ["/none", str(tmp_path / "bundle.crt")]
    for file, folder in [(None, None), ("/none", "/none"), (str(tmp_path / "empty.pem"), str(tmp_path / "empty"))]:
        assert system_bundle(paths(file, folder), bundles) == bundles[1]
        with pytest.raises(FetchError):
            system_bundle(paths(file, folder), ["/none"])
    monkeypatch.setenv("SSL_CERT_FILE", "/none")
    with pytest.raises(FetchError):
        system_bundle(paths(None, None), bundles)


def test_a_request_that_ends_in_the_handshake_is_not_waited_for() -> None:
    with Server(("127.0.0.1", 0), Handler) as silent:
        transport = Transport(TLSConfig(), None)
        url = f"https://127.0.0.1:{silent.server_address[1]}"
        ended: list[FetchError] = []

        def ask() -> None:
            try:
                transport.get(url, {}, {}, 30.0)
            except FetchError as error:
                ended.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        accepted, _ = silent.get_request()
        started = time.monotonic()
        transport.close()
        thread.join(GENEROUS)
        accepted.close()
    assert ended
    assert time.monotonic() - started < 15


ALERT = b"\x15\x03\x03\x00\x02\x02"
"""The head of a fatal TLS alert, before its number (RFC 8446, 6)."""


@contextlib.contextmanager
def answering(hello: bytes) -> Iterator[str]:
    """Answer each client's first bytes with these, and end the connection. Yields the URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    connection.recv(65_536)
                    connection.sendall(hello)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize(
    "hello",
    [b"", b"\x16\x03\x03\x00\x7a\x02\x00", b"\x15\x03\x03\x00\x02\x01\x00"],
    ids=["nothing", "half-of-a-record", "close-notify"],
)
def test_a_connection_that_is_closed_in_the_handshake_may_pass(hello: bytes) -> None:
    """Servers that restart and load balancers that shed load do that. It says nothing about certificates."""
    meter = Meter()
    with answering(hello) as url, pytest.raises(FetchError) as caught:
        client(url, meter=meter).get(ANY)
    assert caught.value.reason is Reason.TLS
    assert "closed the connection in the TLS handshake" in str(caught.value)
    assert len(meter.codes) == retry.ATTEMPTS


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "wrong version number"),
        (ALERT + b"\x28", "handshake failure"),
        (ALERT + b"\x70", "unrecognized name"),
        (ALERT + b"\x74", "certificate required"),
        (ALERT + b"\x2d", "certificate expired"),
    ],
)
def test_a_refused_handshake_is_told_in_the_words_of_openssl(hello: bytes, words: str) -> None:
    with answering(hello) as url:
        error = reason(url, TLSConfig())
    assert error.reason is Reason.TLS
    assert words in str(error)
    assert "see tls_config" in str(error)


@pytest.mark.parametrize(
    ("tls", "setting"), [(TLSConfig(), "CERT_REQUIRED"), (TLSConfig(insecure_skip_verify=True), "CERT_NONE")]
)
@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_requests_never_change_what_connections_made_by_other_threads_must_verify(
    tls: TLSConfig, setting: str, proxy: str | None
) -> None:
    session = new_session(tls, proxy, IdleConnections())
    request = requests.Request("GET", "https://127.0.0.1:9/").prepare()
    pool = adapter_pool(session, request)
    set_to = []

    class Watched(type(pool)):  # type: ignore[misc]
        def __setattr__(self, name: str, value: object) -> None:
            if name in ("cert_reqs", "ca_certs", "ca_cert_dir", "cert_file", "key_file"):
                set_to.append((name, value))
            super().__setattr__(name, value)

    pool.__class__ = Watched
    with pytest.raises(LookupError, match="call"):
        # It gets as far as to connect, which is for a request of a transport alone.
        session.send(request, 1.0)
    assert adapter_pool(session, request) is pool
    assert pool.cert_reqs == setting
    assert not set_to


def adapter_pool(session: Session, request: requests.PreparedRequest) -> Any:
    """The connections that a session uses for a request."""
    return session.adapters["https"].get_connection_with_tls_context(
        request, session.verify, proxies=session.proxies, cert=session.cert
    )
