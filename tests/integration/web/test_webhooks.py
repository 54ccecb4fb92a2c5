"""Webhooks over real sockets: however a body is sent, and whatever else clients do."""

import contextlib
import hashlib
import hmac
import logging
import re
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import bcrypt
import pytest

from exporter.config import WebhookSecret
from exporter.web.server.connection import Limits
from exporter.web.webhook_keys import KEPT_SECONDS, Webhook
from exporter.web.webhooks import LARGEST_BODY_BYTES, Webhooks
from tests.support import certificates
from tests.support.serving import (
    GENEROUS,
    HASTY,
    Place,
    Program,
    ask,
    connect,
    eventually,
    noted_connections,
    read_to_end,
    serving,
    speak,
)
from tests.support.tls_clients import is_cut_off, secured, shaken

BODY = b'{"event_type": "DOCUMENT_CREATE_FAILED", "resource_id": "CANARY"}'
KEY = b"CANARY-key"
ODD = ("a/b", "ä ☃", "100%", "..", "?query", "a+b", "%2F")
"""Names of accounts that a URL can't have as they are."""


def sign(body: bytes, key: bytes = KEY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


class Hooks(Program):
    """A program that receives webhooks, and the accounts that were polled for them."""

    def __init__(self, folder: Path) -> None:
        self.polled: list[str] = []
        self.clock = 0.0
        self.file = folder / "secret"
        self.file.write_bytes(KEY)
        self.webhooks = Webhooks(self._poll, clock=lambda: self.clock)
        self.webhooks.use({name: Webhook("Inkit-Signature", WebhookSecret(self.file)) for name in ("production", *ODD)})
        super().__init__(webhooks=self.webhooks)

    def _poll(self, account: str) -> bool:
        self.polled.append(account)
        self.clock += 1
        return True


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Hooks:
    return Hooks(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def place(hooks: Hooks) -> Iterator[Place]:
    with serving(hooks) as address:
        yield address


@pytest.fixture(autouse=True)
def forgotten(hooks: Hooks) -> None:
    hooks.polled.clear()


def request(
    path: str = "/webhooks/production",
    signature: str | None = None,
    body: bytes = BODY,
    head: str | None = None,
    method: str = "POST",
) -> bytes:
    """Return a request as bytes. `head` is the header that defines the length of the body."""
    head = f"Content-Length: {len(body)}\r\n" if head is None else head
    signature = sign(body) if signature is None else signature
    signed = f"Inkit-Signature: {signature}\r\n" if signature else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{signed}{head}\r\n".encode() + body


def chunks(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked\r\n"
WAYS = {
    "with-a-length": request(),
    "in-chunks": request(signature=sign(BODY), body=chunks(BODY, 7), head=CHUNKED),
    "empty": request(body=b""),
    "without-a-length": request(body=b"", head=""),
    "after-a-100": request(head=f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n"),
    "with-a-query": request(path="/webhooks/production?event=x"),
    "with-a-wrong-password": request(head=f"Content-Length: {len(BODY)}\r\nAuthorization: Basic eDp5\r\n"),
    "large": request(body=b"x" * LARGEST_BODY_BYTES),
    "large-in-chunks": request(
        signature=sign(b"x" * LARGEST_BODY_BYTES), body=chunks(b"x" * LARGEST_BODY_BYTES, 1000), head=CHUNKED
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_a_signed_body_is_sent_the_account_is_polled(place: Place, hooks: Hooks, way: str) -> None:
    answer = speak(place, WAYS[way])
    assert b"HTTP/1.1 202 Accepted\r\n" in answer
    assert answer.count(b"HTTP/1.1 100 ") == (way == "after-a-100")
    assert hooks.polled == ["production"]


@pytest.mark.parametrize("name", ODD)
def test_an_account_is_named_percent_encoded_whatever_its_name(place: Place, hooks: Hooks, name: str) -> None:
    encoded = quote(name, safe="")
    assert speak(place, request(f"/webhooks/{encoded}")).startswith(b"HTTP/1.1 202 ")
    assert hooks.polled == [name]


REFUSED = {
    "unsigned": request(signature=""),
    "wrong": request(signature=sign(BODY, b"other")),
    "of-another-body": request(signature=sign(b"")),
    "twice": request(head=f"Content-Length: {len(BODY)}\r\nInkit-Signature: {sign(BODY)}\r\n"),
    "no-hex": request(signature="\xff" * 64),
    "unknown": request("/webhooks/unknown", signature=sign(BODY, b"other")),
    "unknown-signed": request("/webhooks/unknown"),
    "unknown-below": request("/webhooks/production/"),
    "no-text": request("/webhooks/%ff%00"),
    "another-page": request("/webhooks/../metrics", signature=""),
}


def test_whoever_can_not_sign_gets_one_and_the_same_answer(place: Place, hooks: Hooks) -> None:
    answers = {re.sub(rb"\r\ndate: [^\r]*", b"", speak(place, each)) for each in REFUSED.values()}
    [answer] = answers
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert answer.endswith(b"\r\n\r\nUnauthorized.\n")
    assert not hooks.polled


@pytest.mark.parametrize(
    "sent",
    [
        request(head="Content-Length: 65537\r\n", body=b""),
        request(head="Content-Length: 99999999999999999999\r\nExpect: 100-continue\r\n", body=b""),
        request(body=chunks(b"x" * (LARGEST_BODY_BYTES + 1), 50), head=CHUNKED),
        request("/webhooks/unknown", head="Content-Length: 65537\r\n", body=b""),
    ],
    ids=["by-its-length", "by-a-length-of-any-size", "in-chunks", "of-an-unknown-account"],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_read(place: Place, hooks: Hooks, sent: bytes) -> None:
    with connect(place) as client:
        client.sendall(sent)
        assert read_to_end(client).startswith(b"HTTP/1.1 413 ")
    assert not hooks.polled


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_another_method_is_not_allowed_whatever_account_is_named(place: Place, hooks: Hooks, method: str) -> None:
    for name in ("production", "unknown"):
        answer, _ = ask(place, method, f"/webhooks/{name}")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert not hooks.polled


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/", "/webhook/production", "//webhooks/production"])
def test_other_paths_are_not_found(place: Place, path: str) -> None:
    assert speak(place, request(path)).startswith(b"HTTP/1.1 404 ")


def test_without_an_account_that_has_webhooks_there_is_no_such_path() -> None:
    for webhooks in (None, Webhooks(lambda _: True)):
        with serving(Program(webhooks=webhooks)) as bare:
            for method in ("POST", "GET"):
                assert ask(bare, method, "/webhooks/production")[0].status == 404


def test_a_connection_may_send_another_request_after_one_without_a_body(place: Place, hooks: Hooks) -> None:
    bare = request(body=b"", head="")
    assert speak(place, bare + bare + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").count(b"HTTP/1.1 20") == 3
    assert len(hooks.polled) == 2


def is_closed(client: socket.socket) -> bool:
    """Return whether the server has closed the connection without an answer."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("way", ["silent", "half-closed", "dripping"])
def test_who_never_ends_the_body_is_cut_off_and_keeps_nobody_waiting(hooks: Hooks, way: str) -> None:
    with serving(hooks, HASTY) as hasty, connect(hasty) as client:
        client.sendall(request(body=b"", head=CHUNKED, signature=sign(BODY)))
        if way == "half-closed":
            client.shutdown(socket.SHUT_WR)
        give_up = time.monotonic() + GENEROUS
        while not is_closed(client):
            assert time.monotonic() < give_up
            assert ask(hasty, "GET", "/-/healthy")[0].status == 200
            if way == "dripping":
                with contextlib.suppress(OSError):
                    client.sendall(chunks(b"x", 1)[:-5])
    assert not hooks.polled


def test_whose_body_is_awaited_makes_room_before_others(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = noted_connections(monkeypatch)
    with serving(hooks) as open_, connect(open_) as client:
        client.sendall(request(body=b"", head=CHUNKED))
        eventually(lambda: bool(noted) and noted[0].cycle is not None and noted[0].waits_for_client)
        [slow] = noted
        assert slow.eviction_order(slow.waiting_since + 5)[0] is False, "overdue"


def test_a_secret_that_is_rotated_counts_from_then_on(place: Place, hooks: Hooks) -> None:
    try:
        for key in (b"CANARY-2", b"CANARY-3"):
            hooks.file.write_bytes(key)
            hooks.clock += KEPT_SECONDS
            assert speak(place, request(signature=sign(BODY, key))).startswith(b"HTTP/1.1 202 ")
            assert speak(place, request()).startswith(b"HTTP/1.1 401 ")
    finally:
        hooks.file.write_bytes(KEY)
        hooks.clock += KEPT_SECONDS


def test_nothing_of_a_webhook_is_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for sent in (request(), request(signature="CANARY"), request("/webhooks/CANARY"), WAYS["in-chunks"]):
        speak(place, sent)
    records = [record for record in caplog.records if record.name.startswith("exporter")]
    assert "webhook accepted" in {record.getMessage() for record in records}
    assert "CANARY" not in "".join(str(record.__dict__) for record in records)


USERS = f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}}}\n"
ALICE = "Authorization: Basic " + b64encode(b"alice:secret").decode() + "\r\n"


@pytest.fixture(scope="module")
def guarded(hooks: Hooks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    file = tmp_path_factory.mktemp("web") / "web.yml"
    file.write_text(USERS)
    with serving(hooks, web=file) as address:
        yield address


def test_the_signature_takes_the_place_of_a_password(guarded: Place, hooks: Hooks) -> None:
    for sent in (WAYS["with-a-length"], WAYS["with-a-wrong-password"]):
        assert speak(guarded, sent).startswith(b"HTTP/1.1 202 ")
    assert len(hooks.polled) == 2
    for name, sent in REFUSED.items():
        answer = speak(guarded, sent)
        assert answer.startswith(b"HTTP/1.1 401 "), name
        assert b"Basic" not in answer, name


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "post", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["/webhooks/production", "/webhooks/../metrics", "/metrics/../webhooks/production", "/metrics", "/webhooks/"],
)
def test_nothing_else_is_open_without_a_password(guarded: Place, hooks: Hooks, method: str, path: str) -> None:
    answer = speak(guarded, request(path, method=method))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Basic" in answer
    assert not hooks.polled


def test_with_a_password_another_method_is_not_allowed(guarded: Place) -> None:
    answer = speak(guarded, request(method="GET", head=f"Content-Length: 0\r\n{ALICE}", body=b""))
    assert answer.startswith(b"HTTP/1.1 405 ")


def test_without_webhooks_their_paths_need_the_password_as_any_other(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(USERS)
    with serving(Program(webhooks=Webhooks(lambda _: True)), web=file) as bare:
        assert b"Basic" in speak(bare, request())


def test_over_tls_a_body_arrives_in_whatever_parts_and_has_its_deadline(hooks: Hooks, folder: Path) -> None:
    with secured(folder, program=hooks) as place:
        for way in ("in-chunks", "large", "after-a-100"):
            with shaken(place, certificates.client(folder)) as client:
                sent = WAYS[way]
                for start in range(0, len(sent), 20_000):
                    client.sendall(sent[start : start + 20_000])
                answer = client.recv(65536)
                while not answer.rpartition(b"HTTP/1.1 ")[2].startswith(b"202"):
                    answer += (received := client.recv(65536))
                    assert received, answer
    assert hooks.polled == ["production"] * 3
    limits = Limits(request_seconds=3.0)
    with secured(folder, limits=limits, program=hooks) as place, shaken(place, certificates.client(folder)) as client:
        client.sendall(request()[:-1])
        assert is_cut_off(client)
    assert len(hooks.polled) == 3
