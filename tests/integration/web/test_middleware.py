"""What the web configuration demands of each request, over real sockets."""

import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from exporter.web.config import WebConfigFile
from exporter.web.server.connection import Limits
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support.serving import GENEROUS, GET, Place, Program, ask, complaints, connect, read_to_end, serving

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
HEADERS = "http_server_config: {headers: {X-Frame-Options: deny, Content-Security-Policy: default-src 'self'}}\n"
ALICE = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}
WRONG = {"Authorization": "Basic " + base64.b64encode(b"alice:wrong").decode()}

AS_ALICE = GET.replace(b"Host", f"Authorization: {ALICE['Authorization']}\r\nHost".encode())


@contextlib.contextmanager
def guarded(folder: Path, content: str, limits: Limits | None = None) -> Iterator[tuple[Place, Path]]:
    file = folder / "web.yml"
    file.write_text(content)
    with serving(Program(), limits or Limits(), web=file) as place:
        yield place, file


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/nothing"])
def test_every_path_asks_for_a_password(tmp_path: Path, path: str) -> None:
    with guarded(tmp_path, USERS) as (place, _):
        for headers in ({}, WRONG):
            answer, body = ask(place, "GET", path, **headers)
            assert (answer.status, body) == (401, b"Unauthorized\n")
            assert answer.headers["www-authenticate"] == "Basic"
        assert ask(place, "GET", path, **ALICE)[0].status in (200, 404)


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "BREW"])
def test_every_method_asks_for_a_password(tmp_path: Path, method: str) -> None:
    with guarded(tmp_path, USERS) as (place, _):
        assert ask(place, method, "/metrics")[0].status == 401
        assert ask(place, method, "/metrics", **ALICE)[0].status != 401


def test_the_configured_headers_are_on_every_answer_in_the_place_of_our_own(tmp_path: Path) -> None:
    with guarded(tmp_path, USERS + HEADERS) as (place, _):
        for path, headers in (("/", ALICE), ("/nothing", ALICE), ("/metrics", {})):
            answer, _ = ask(place, "GET", path, **headers)
            assert answer.headers.get_all("x-frame-options") == ["deny"]
            assert answer.headers.get_all("content-security-policy") == ["default-src 'self'"]


def test_users_and_headers_change_without_a_restart(tmp_path: Path) -> None:
    with guarded(tmp_path, USERS) as (place, file):
        assert ask(place, "GET", "/-/healthy", **ALICE)[0].status == 200
        file.write_text(USERS.replace("alice", "carol") + HEADERS)
        answer, _ = ask(place, "GET", "/-/healthy", **ALICE)
        assert (answer.status, answer.headers["x-frame-options"]) == (401, "deny")
        file.write_text(HEADERS)
        assert ask(place, "GET", "/-/healthy")[0].status == 200


def test_while_the_file_is_bad_every_request_fails_and_shows_nothing_of_it(tmp_path: Path) -> None:
    with guarded(tmp_path, USERS + HEADERS) as (place, file):
        file.write_text("basic_auth_users: {alice: CANARY}\n")
        for headers in ({}, ALICE):
            answer, body = ask(place, "GET", "/metrics", **headers)
            assert (answer.status, body) == (500, b"Internal Server Error\n")
            assert answer.headers["x-frame-options"] is None
        file.write_text(USERS)
        assert ask(place, "GET", "/-/healthy", **ALICE)[0].status == 200


def test_requests_beyond_the_rate_limit_are_refused_before_a_password_is_looked_at(tmp_path: Path) -> None:
    with guarded(tmp_path, USERS + HEADERS + "rate_limit: {interval: 1h, burst: 2}\n") as (place, _):
        statuses = [ask(place, "GET", "/-/healthy", **headers)[0].status for headers in (ALICE, {}, ALICE)]
        assert statuses == [200, 401, 429]
        answer, body = ask(place, "GET", "/metrics")
        assert (answer.status, body) == (429, b"Too Many Requests\n")
        assert answer.headers["x-frame-options"] is None


def test_a_client_waits_for_its_password_to_be_checked_while_others_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, real = threading.Event(), threading.Event(), bcrypt.checkpw

    def slow(password: bytes, expected: bytes) -> bool:
        begun.set()
        go.wait(GENEROUS)
        return real(password, expected)

    limits = Limits(request_seconds=0.2, answer_seconds=GENEROUS)
    with guarded(tmp_path, USERS, limits) as (place, _):
        monkeypatch.setattr(bcrypt, "checkpw", slow)
        with connect(place) as waiting, connect(place) as silent:
            waiting.sendall(AS_ALICE.replace(b"Host", b"Connection: close\r\nHost"))
            assert begun.wait(GENEROUS)
            assert ask(place, "GET", "/-/healthy")[0].status == 401
            assert read_to_end(silent) == b""
            go.set()
            assert b"batch-exporter is healthy." in read_to_end(waiting)


def test_a_client_gets_an_answer_when_too_many_passwords_are_being_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with guarded(tmp_path, USERS) as (place, _):
        monkeypatch.setattr("exporter.web.server.basic_auth.MAX_WAITING", 0)
        answer, body = ask(place, "GET", "/metrics", **ALICE)
        assert (answer.status, body) == (503, b"Service Unavailable: too many passwords are being checked.\n")
        assert ask(place, "GET", "/metrics")[0].status == 401


def test_the_end_does_not_wait_for_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go = threading.Event(), threading.Event()

    def stuck(password: bytes, expected: bytes) -> bool:
        begun.set()
        return go.wait(GENEROUS)

    file = tmp_path / "web.yml"
    file.write_text(USERS)
    sockets = listen("127.0.0.1:0")
    server = Server(Program().app, sockets, current=WebConfigFile(file))
    server.start()
    monkeypatch.setattr(bcrypt, "checkpw", stuck)
    with connect(sockets[0].getsockname()) as client:
        client.sendall(AS_ALICE)
        assert begun.wait(GENEROUS)
        assert server.stop(GENEROUS)
    go.set()
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Exception" not in " ".join(complaints(caplog))


def test_a_disk_that_does_not_respond_delays_no_scrape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = threading.Event()
    with guarded(tmp_path, USERS) as (place, _):
        assert ask(place, "GET", "/metrics", **ALICE)[0].status == 200
        monkeypatch.setattr(WebConfigFile, "current", lambda _: disk.wait(GENEROUS) and None)
        started = time.monotonic()
        assert [ask(place, "GET", "/metrics", **ALICE)[0].status for _ in range(20)] == [200] * 20
        assert ask(place, "GET", "/metrics", **WRONG)[0].status == 401
        assert time.monotonic() - started < GENEROUS / 2
        disk.set()
