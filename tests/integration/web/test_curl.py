"""What curl shows: the same as with the exporter-toolkit, whose answers to these calls are written down here."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.support.serving import GENEROUS, Place, Program, serving

pytestmark = pytest.mark.programs

COULD_NOT_CONNECT_SECURELY, RECEIVING_FAILED, NOT_TRUSTED = 35, 56, 60
HEADERS = "http_server_config: {headers: {Strict-Transport-Security: max-age=1}}\n"


@pytest.fixture
def place(tmp_path: Path, certificates: Path) -> Iterator[Place]:
    """Yield a server that requires a certificate and a password."""
    tls = [
        f"  {key}: {certificates / name}\n"
        for key, name in (("cert_file", "server.pem"), ("key_file", "server.key"), ("client_ca_file", "ca.pem"))
    ]
    password = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    file = tmp_path / "web.yml"
    file.write_text(
        f"tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n{''.join(tls)}"
        f"basic_auth_users: {{alice: {password}}}\n{HEADERS}"
    )
    with serving(Program(), web=file) as address:
        yield address


def curl(url: str, *arguments: object) -> tuple[int, str]:
    """Return curl's exit status and its output: head, body and error message."""
    command = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", *map(str, arguments), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GENEROUS, check=False)
    return done.returncode, done.stdout + done.stderr


def trusting(certificates: Path, name: str | None = None) -> list[object]:
    own = [] if name is None else ["--cert", certificates / f"{name}.pem", "--key", certificates / f"{name}.key"]
    return ["--cacert", certificates / "ca.pem", *own]


def test_with_certificate_and_password_there_are_metrics(place: Place, certificates: Path) -> None:
    url = f"https://127.0.0.1:{place[1]}/metrics"
    status, shown = curl(url, *trusting(certificates, "scraper"), "--user", "alice:secret")
    assert (status, shown.split("\n")[0].strip()) == (0, "HTTP/1.1 200 OK")
    assert "strict-transport-security: max-age=1" in shown
    assert "live 0.0" in shown


@pytest.mark.parametrize("user", [[], ["--user", "alice:wrong"], ["--user", "bob:secret"], ["--user", "alice:"]])
def test_without_the_right_password_it_is_asked_for(place: Place, certificates: Path, user: list[str]) -> None:
    status, shown = curl(f"https://127.0.0.1:{place[1]}/-/healthy", *trusting(certificates, "scraper"), *user)
    assert (status, shown.split("\n")[0].strip()) == (0, "HTTP/1.1 401 Unauthorized")
    assert "www-authenticate: Basic\n" in shown.replace("\r", "")
    assert "strict-transport-security: max-age=1" in shown
    assert shown.endswith("\nUnauthorized\n")


def test_without_a_certificate_the_handshake_fails_and_says_why(place: Place, certificates: Path) -> None:
    url = f"https://127.0.0.1:{place[1]}/-/healthy"
    status, shown = curl(url, *trusting(certificates), "--user", "alice:secret")
    assert (status, "alert certificate required" in shown) == (RECEIVING_FAILED, True), shown
    status, shown = curl(url, *trusting(certificates), "--tls-max", "1.2")
    assert (status, "alert handshake failure" in shown) == (COULD_NOT_CONNECT_SECURELY, True), shown


def test_with_a_certificate_of_a_stranger_the_handshake_fails_and_says_why(place: Place, certificates: Path) -> None:
    status, shown = curl(f"https://127.0.0.1:{place[1]}/-/healthy", *trusting(certificates, "stranger"))
    assert (status, "alert unknown ca" in shown) == (RECEIVING_FAILED, True), shown


def test_who_does_not_trust_the_server_s_authority_does_not_talk_to_it(place: Place) -> None:
    assert curl(f"https://127.0.0.1:{place[1]}/-/healthy")[0] == NOT_TRUSTED


def test_plain_http_gets_the_answer_that_this_is_https(place: Place) -> None:
    status, shown = curl(f"http://127.0.0.1:{place[1]}/-/healthy")
    assert status == 0
    assert shown.replace("\r", "") == ("HTTP/1.0 400 Bad Request\n\nClient sent an HTTP request to an HTTPS server.\n")


def test_https_without_tls_gets_no_answer_it_would_understand() -> None:
    with serving(Program()) as address:
        assert curl(f"https://127.0.0.1:{address[1]}/-/healthy")[0] == COULD_NOT_CONNECT_SECURELY
