"""Probes without a password: two pages are open with a flag, in one spelling and to two methods, and say less."""

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import certificates
from tests.support.serving import Place, Program, answers, ask, serving, speak
from tests.support.tls_clients import TLS, status

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
ALICE = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}
WRONG = {"Authorization": "Basic " + base64.b64encode(b"alice:wrong").decode()}
SENSELESS = {"Authorization": "Bearer \xff"}
HEALTH = ("/-/healthy", "/-/ready")
REASON = "still reading the window: ACCOUNT/inkit/invocations"


@pytest.fixture(scope="module")
def program() -> Program:
    return Program()


@pytest.fixture(scope="module")
def place(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    file = tmp_path_factory.mktemp("web") / "web.yml"
    file.write_text(USERS)
    with serving(program, web=file, open_health=True) as address:
        yield address


@pytest.mark.parametrize("path", [*HEALTH, "/-/ready?x", "/-/healthy?verbose=1&a=b", "/-/ready?"])
@pytest.mark.parametrize("headers", [{}, WRONG, SENSELESS, ALICE], ids=["none", "wrong", "senseless", "right"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_is_answered_whatever_password_it_brings(
    place: Place, method: str, headers: dict[str, str], path: str
) -> None:
    answer, body = ask(place, method, path, **headers)
    assert answer.status == 200
    assert answer.headers["www-authenticate"] is None
    assert bool(body) == (method == "GET")


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_a_probe_is_answered_in_either_version_of_http(place: Place, version: bytes) -> None:
    assert answers(speak(place, b"GET /-/ready " + version + b"\r\nHost: x\r\n\r\n")) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get"])
@pytest.mark.parametrize("path", HEALTH)
def test_no_other_method_is_let_through(place: Place, method: str, path: str) -> None:
    for headers in ({}, WRONG):
        assert ask(place, method, path, **headers)[0].status == 401


OTHER_SPELLINGS = [
    "/-/healthy/",
    "//-/ready",
    "/-//ready",
    "/-/./ready",
    "/metrics/../-/ready",
    "/-/ready/../../metrics",
    "/-/healthy/..;/metrics",
    "/-/%72eady",
    "/%2d/ready",
    "/-%2Fready",
    "/-/ready%3Fx",
    "/-/ready%00",
    "/-/ready%20",
    "/-/ready;x",
    "/-/ready#x",
    "/-/READY",
    "/-/",
    "/-",
    "-/ready",
    "*",
    "http://x/-/ready",
    "/-/reload",
    "/",
    "/failures",
    "/metrics",
    "/metrics?/-/ready",
    "/failures?path=/-/healthy",
]


@pytest.mark.parametrize("target", OTHER_SPELLINGS)
def test_no_other_spelling_of_a_path_is_let_through(place: Place, target: str) -> None:
    for version in ("HTTP/1.1", "HTTP/1.0"):
        answer = speak(place, f"GET {target} {version}\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 401 "), answer


EXTRAS = st.sampled_from(["", "", "/", "//", ".", "..", "/..", ";a=b", "%2f", "%2e%2e/", "#", "#a", "%23", "%3f", "x"])


@st.composite
def spellings(draw: st.DrawFn) -> str:
    """Draw one of the paths, with some of its characters percent-encoded and something added somewhere."""
    path = draw(st.sampled_from(HEALTH))
    encoded = [f"%{ord(letter):02x}" if draw(st.booleans()) else letter for letter in path[1:]]
    place = draw(st.integers(0, len(encoded)))
    return "/" + "".join([*encoded[:place], draw(EXTRAS), *encoded[place:], draw(EXTRAS)])


@given(target=spellings() | st.text(max_size=20).map(lambda text: "/" + quote(text, "/-.;=&")))
def test_what_is_not_exactly_one_of_the_two_paths_is_refused(place: Place, target: str) -> None:
    answer = speak(place, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    expected = b"200" if target.partition("?")[0] in HEALTH else b"401"
    assert answer.split(b" ", 2)[1] == expected


def test_the_reason_is_told_to_who_has_the_password_alone(place: Place, program: Program) -> None:
    program.not_ready = REASON
    try:
        for headers in ({}, WRONG, SENSELESS):
            answer, body = ask(place, "GET", "/-/ready", **headers)
            assert (answer.status, body) == (503, b"batch-exporter is not ready.\n")
            assert "ACCOUNT" not in str(answer.headers)
            assert ask(place, "HEAD", "/-/ready", **headers)[0].headers["content-length"] == str(len(body))
        answer, body = ask(place, "GET", "/-/ready", **ALICE)
        assert (answer.status, body) == (503, f"batch-exporter is not ready: {REASON}.\n".encode())
    finally:
        program.not_ready = None


def test_a_probe_learns_that_the_exporter_is_not_healthy(place: Place, program: Program) -> None:
    program.well = False
    try:
        answer, body = ask(place, "GET", "/-/healthy")
    finally:
        program.well = True
    assert (answer.status, body) == (
        503,
        b"batch-exporter is not healthy: a poll loop has ended; its log says why.\n",
    )


def test_a_probe_is_answered_while_too_many_passwords_are_being_checked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.web.server.basic_auth.MAX_WAITING", 0)
    unknown = {"Authorization": "Basic " + base64.b64encode(b"alice:never tried").decode()}
    assert ask(place, "GET", "/metrics", **unknown)[0].status == 503
    assert ask(place, "GET", "/-/healthy", **unknown)[0].status == 200


def test_without_users_everybody_learns_the_reason_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("")
    program = Program()
    program.not_ready = REASON
    with serving(program, web=file, open_health=True) as open_to_all:
        assert REASON.encode() in ask(open_to_all, "GET", "/-/ready")[1]


def test_the_rate_limit_the_headers_and_a_bad_file_count_for_probes_too(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    header = "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    file.write_text(USERS + header + "rate_limit: {interval: 1h, burst: 1}\n")
    with serving(Program(), web=file, open_health=True) as limited:
        answer, _ = ask(limited, "GET", "/-/healthy")
        assert (answer.status, answer.headers["x-frame-options"]) == (200, "deny")
        assert ask(limited, "GET", "/-/healthy")[0].status == 429
        file.write_text("basic_auth_users: {alice: CANARY}\n")
        assert ask(limited, "GET", "/-/healthy")[0].status == 500


def test_a_client_certificate_is_required_of_probes_too(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    file = tmp_path / "web.yml"
    file.write_text(f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n{USERS}")
    with serving(Program(), web=file, open_health=True) as strict:
        assert status(strict, certificates.client(tmp_path, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            status(strict, certificates.client(tmp_path))
