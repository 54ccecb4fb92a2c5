"""Webhooks as the application sees them: signed requests are served, and others learn nothing."""

import asyncio
import hashlib
import hmac
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import TokenError, WebhookSecret
from exporter.exposition.webhook_metrics import NOBODY, WebhookResult
from exporter.web import webhook_keys
from exporter.web.asgi import Scope
from exporter.web.messages import Response
from exporter.web.webhook_keys import KEPT_SECONDS, Webhook
from exporter.web.webhooks import ACCEPTED, LARGEST_BODY_BYTES, LOG_SECONDS, Webhooks

BODY = b'{"event_type": "DOCUMENT_CREATE_FAILED", "resource_id": "CANARY-body"}'


class Secret(WebhookSecret):
    """A secret without a file."""

    def __init__(self, key: bytes | None) -> None:
        super().__init__(Path("unused"))
        self.key = key

    def read(self) -> bytes:
        if self.key is None:
            raise TokenError("the secret is empty")
        return self.key


def sign(body: bytes, key: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


class Hooks:
    """Webhooks of some accounts, and what became of them."""

    def __init__(self, **keys: bytes | None) -> None:
        self.now = 0.0
        self.owned = True
        self.polled: list[str] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.secrets = {name: Secret(key) for name, key in keys.items()}
        self.webhooks = Webhooks(self._poll, self._count, lambda: self.now)
        self.webhooks.use({name: Webhook("Inkit-Signature", secret) for name, secret in self.secrets.items()})

    def _poll(self, account: str) -> bool:
        if self.owned:
            self.polled.append(account)
        return self.owned

    def _count(self, account: str, result: WebhookResult) -> None:
        self.counted[account, result.value] += 1

    async def post(
        self,
        account: str,
        parts: Iterable[bytes] = (BODY,),
        signatures: Sequence[str | bytes] = (),
        method: str = "POST",
        **more: Any,
    ) -> Response:
        headers = [
            (b"inkit-signature", value if isinstance(value, bytes) else value.encode("latin-1")) for value in signatures
        ]
        path = f"/webhooks/{account}"
        scope = Scope(
            method=method, path=path, raw_path=path.encode(), query_string=b"", headers=headers + more.pop("also", [])
        )
        scope.update(more)  # type: ignore[typeddict-item]
        return await self.webhooks.answer(scope, received([*parts]))

    def answers(self, *arguments: Any, **more: Any) -> Response:
        return asyncio.run(self.post(*arguments, **more))


def received(parts: list[bytes], ends: bool = True) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """Return what the server passes to the application: the parts of a body, and then that the client has gone."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts] or [
        {"type": "http.request", "body": b"", "more_body": True}
    ]
    messages[-1]["more_body"] = not ends

    async def receive() -> Mapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


KEYS = st.binary(min_size=1, max_size=100)
BODIES = st.lists(st.binary(max_size=200), max_size=5)


@given(KEYS, BODIES)
def test_whatever_is_signed_with_the_secret_is_accepted_in_whatever_parts_it_comes(
    key: bytes, parts: list[bytes]
) -> None:
    hooks = Hooks(a=key)
    assert hooks.answers("a", parts, [sign(b"".join(parts), key)]).status == 202
    assert hooks.polled == ["a"]


@given(KEYS, BODIES, st.data())
def test_whatever_is_not_signed_with_the_secret_is_refused(key: bytes, parts: list[bytes], data: st.DataObject) -> None:
    body = b"".join(parts)
    right = sign(body, key)
    other = data.draw(
        st.one_of(
            st.sampled_from(
                [
                    "",
                    right[:-1],
                    right + "0",
                    f"sha256={right}",
                    "0" * 64,
                    hashlib.sha256(body).hexdigest(),
                    sign(b"", key),
                ]
            ),
            KEYS.map(lambda other: sign(body, other)),
            st.binary(max_size=64).map(lambda other: sign(other, key)),
            st.binary(max_size=80),
            st.text("0123456789abcdef", min_size=64, max_size=64),
        ).filter(lambda found: found not in (right, right.encode()))
    )
    signed = [other] if isinstance(other, str) else [other.replace(b"\r", b"").replace(b"\n", b"")]
    hooks = Hooks(a=key)
    same = signed[0] == right or (isinstance(signed[0], bytes) and signed[0].strip().lower() == right.encode())
    if not same:
        assert hooks.answers("a", parts, signed).status == 401
        assert not hooks.polled


def test_what_takes_the_place_of_a_key_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.webhooks.secrets.token_bytes", lambda size: b"guessed")
    hooks = Hooks(broken=None, a=b"key")
    for account in ("broken", "unknown"):
        assert hooks.answers(account, [BODY], [sign(BODY, b"guessed")]).status == 401
    assert not hooks.polled


@pytest.mark.parametrize("signatures", [[], ["{right}", "{right}"], ["{right}", "0"], ["{right}, {right}"]])
def test_there_has_to_be_one_signature(signatures: list[str]) -> None:
    hooks = Hooks(a=b"key")
    right = sign(BODY, b"key")
    assert hooks.answers("a", [BODY], [each.format(right=right) for each in signatures]).status == 401
    assert not hooks.polled


@pytest.mark.parametrize("written", [str.upper, lambda text: f" {text}\t"])
def test_hex_may_be_written_in_either_case(written: Callable[[str], str]) -> None:
    assert Hooks(a=b"key").answers("a", [BODY], [written(sign(BODY, b"key"))]).status == 202


def test_an_account_that_is_not_there_is_refused_like_a_wrong_signature_and_is_no_label() -> None:
    hooks = Hooks(production=b"key", broken=None)
    accounts = ("production", "broken", "CANARY-unknown", "production/", "Production", "..", "a" * 5000, "☃")
    refused = {hooks.answers(account, [BODY], [sign(BODY, b"other")]) for account in accounts}
    assert len(refused) == 1
    assert not hooks.polled
    assert hooks.counted == {
        ("production", "unauthorized"): 1,
        ("broken", "unverifiable"): 1,
        (NOBODY, "unauthorized"): 6,
    }


def test_the_secret_of_one_account_is_not_that_of_another() -> None:
    hooks = Hooks(a=b"key-a", b=b"key-b")
    assert hooks.answers("a", [BODY], [sign(BODY, b"key-b")]).status == 401
    assert hooks.answers("b", [BODY], [sign(BODY, b"key-b")]).status == 202
    assert hooks.polled == ["b"]


def test_nobody_can_sign_for_an_account_without_a_usable_secret(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks(a=b"key")
    caplog.set_level(logging.INFO, "exporter.web.webhook_keys")
    for key, status in ((b"key", 202), (None, 401), (None, 401), (b"new", 202)):
        hooks.secrets["a"].key = key
        hooks.now += KEPT_SECONDS
        assert hooks.answers("a", [BODY], [sign(BODY, key or b"")]).status == status
    assert hooks.answers("a", [BODY], [sign(BODY, b"key")]).status == 401, "the secret was rotated"
    assert [record.getMessage() for record in caplog.records if record.name == "exporter.web.webhook_keys"] == [
        "webhooks of the account can't be verified",
        "webhooks of the account can be verified again",
    ]


def test_an_account_that_a_reload_brings_or_takes_counts_at_once() -> None:
    hooks = Hooks(a=b"key")
    signed = sign(BODY, b"key")
    assert hooks.answers("a", [BODY], [signed]).status == 202
    hooks.webhooks.use({"b": Webhook("Inkit-Signature", Secret(b"key"))})
    assert hooks.answers("b", [BODY], [signed]).status == 202
    assert hooks.answers("a", [BODY], [signed]).status == 401
    hooks.webhooks.use({})
    assert not hooks.webhooks.receives("/webhooks/b")


@pytest.mark.parametrize(
    ("path", "receives"),
    [("/webhooks/a", True), ("/webhooks/anything/at all", True), ("/webhooks/", False), ("/webhooks", False)]
    + [(path, False) for path in ("/", "/metrics", "/webhook/a", "webhooks/a", "//webhooks/a", "/a/webhooks/a")],
)
def test_the_paths_of_webhooks_are_those_below_one_folder(path: str, receives: bool) -> None:
    assert Hooks(a=b"key").webhooks.receives(path) is receives
    assert not Hooks().webhooks.receives(path)


@pytest.mark.parametrize("parts", [[b"x" * LARGEST_BODY_BYTES, b"x"], [b"x" * 1000] * 66])
@pytest.mark.parametrize("account", ["a", "unknown"])
def test_a_body_that_is_too_large_is_refused_though_it_is_signed(account: str, parts: list[bytes]) -> None:
    hooks = Hooks(a=b"key")
    assert hooks.answers(account, parts, [sign(b"".join(parts), b"key")]).status == 413
    assert not hooks.polled
    assert [result for _, result in hooks.counted] == ["too_large"]


def test_a_body_may_be_as_large_as_its_limit() -> None:
    body = b"x" * LARGEST_BODY_BYTES
    also = [(b"Content-Length", b"%d" % len(body))]
    assert Hooks(a=b"key").answers("a", [body], [sign(body, b"key")], also=also).status == 202


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    hooks = Hooks(a=b"key")
    awaited: list[bool] = []
    also = [(b"content-length", b"%d" % (LARGEST_BODY_BYTES + 1))]
    assert hooks.answers("a", [b""], [sign(b"", b"key")], also=also, body_awaited=awaited.append).status == 413
    assert awaited == []


def test_the_connection_is_told_when_a_body_is_waited_for_and_when_not_any_more() -> None:
    for key in (b"key", b"other"):
        awaited: list[bool] = []
        Hooks(a=b"key").answers("a", [BODY], [sign(BODY, key)], body_awaited=awaited.append)
        assert awaited == [True, False]


def test_who_goes_away_before_the_end_of_the_body_has_sent_nothing() -> None:
    """The signature of the part that came may be right: an empty body has one too."""
    hooks = Hooks(a=b"key")

    async def post() -> Response:
        headers = [(b"inkit-signature", sign(BODY, b"key").encode())]
        scope = Scope(method="POST", path="/webhooks/a", raw_path=b"", query_string=b"", headers=headers)
        return await hooks.webhooks.answer(scope, received([BODY], ends=False))

    assert asyncio.run(post()).status == 400
    assert not hooks.polled
    assert not hooks.counted


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"])
def test_only_post_is_allowed_whatever_account_is_named(method: str) -> None:
    hooks = Hooks(a=b"key")
    answers = {hooks.answers(name, [BODY], [sign(BODY, b"key")], method=method) for name in ("a", "unknown")}
    [answer] = answers
    assert (answer.status, answer.headers) == (405, (("allow", "POST"),))
    assert not hooks.polled


def test_replayed_webhooks_are_slowed_down_and_others_are_not() -> None:
    hooks = Hooks(a=b"key", b=b"key")
    signed = sign(BODY, b"key")

    async def storm() -> Counter[int]:
        for _ in range(100):
            await hooks.post("a", [BODY], [sign(BODY, b"wrong")])
        return Counter([(await hooks.post("a", [BODY], [signed])).status for _ in range(100)])

    assert asyncio.run(storm()) == {202: ACCEPTED.burst, 429: 100 - ACCEPTED.burst}
    slow = hooks.answers("a", [BODY], [signed])
    assert (slow.status, dict(slow.headers)) == (429, {"retry-after": "1"})
    assert hooks.answers("b", [BODY], [signed]).status == 202
    hooks.now += 1
    assert hooks.answers("a", [BODY], [signed]).status == 202
    assert hooks.counted["a", "rate_limited"] == 101 - ACCEPTED.burst


def test_a_replica_that_does_not_own_the_account_says_so_to_who_has_signed() -> None:
    hooks = Hooks(a=b"key")
    hooks.owned = False
    answer = hooks.answers("a", [BODY], [sign(BODY, b"key")])
    assert (answer.status, dict(answer.headers)) == (503, {"retry-after": "1"})
    assert hooks.answers("a", [BODY], [sign(BODY, b"wrong")]).status == 401
    assert hooks.counted == {("a", "not_owned"): 1, ("a", "unauthorized"): 1}


def test_what_is_refused_is_logged_once_an_hour_for_an_account_and_quotes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "exporter.web.webhooks")
    hooks = Hooks(a=b"CANARY-key")
    hooks.now = 100.0
    for _ in range(10):
        for account in ("a", "CANARY-name", "CANARY-other"):
            hooks.answers(account, [BODY], ["CANARY-signature"])
    warned = [record for record in caplog.records if record.name == "exporter.web.webhooks"]
    assert [(record.getMessage(), record.__dict__["account"]) for record in warned] == [
        ("webhook refused", "a"),
        ("webhook refused", None),
    ]
    hooks.now += LOG_SECONDS
    hooks.answers("a", [BODY], [])
    hooks.answers("a", [BODY], [sign(BODY, b"CANARY-key")])
    assert "CANARY" not in "".join(str(record.__dict__) for record in caplog.records)
    assert len([record for record in caplog.records if record.name == "exporter.web.webhooks"]) == 4


def test_a_disk_that_does_not_respond_keeps_the_secrets_that_were_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "exporter.web.webhook_keys")
    hooks = Hooks(a=b"key")
    responds = threading.Event()
    responds.set()
    read = hooks.secrets["a"].read
    reads = 0

    def hang() -> bytes:
        nonlocal reads
        reads += 1
        assert responds.wait(20)
        return read()

    monkeypatch.setattr(hooks.secrets["a"], "read", hang)

    async def story() -> list[int]:
        answers = [await hooks.post("a", [BODY], [sign(BODY, b"key")])]
        monkeypatch.setattr(webhook_keys, "PATIENCE_SECONDS", 0.05)
        responds.clear()
        hooks.now += KEPT_SECONDS
        answers += [await hooks.post("a", [BODY], [sign(BODY, b"key")]) for _ in range(3)]
        responds.set()
        return [answer.status for answer in answers]

    assert asyncio.run(story()) == [202] * 4
    assert reads == 2, "one thread waits for it, however many ask"
    assert [record.getMessage() for record in caplog.records if record.name == "exporter.web.webhook_keys"] == [
        "reading the secrets of webhooks takes too long: keeping the previous ones"
    ]


def test_an_error_in_the_reading_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "exporter.web.webhook_keys")
    hooks = Hooks(a=b"key")

    def break_() -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr(hooks.secrets["a"], "read", break_)
    assert hooks.answers("a", [BODY], [sign(BODY, b"key")]).status == 401
    assert "internal error" in caplog.text


def test_an_account_that_a_reload_adds_while_secrets_are_read_is_verified() -> None:
    hooks, begun, going = Hooks(a=b"key"), threading.Event(), threading.Event()

    class Slow(Secret):
        def read(self) -> bytes:
            begun.set()
            assert going.wait(10)
            return super().read()

    async def scene() -> list[int]:
        hooks.webhooks.use({"a": Webhook("Inkit-Signature", Slow(b"key"))})
        first = asyncio.create_task(hooks.post("a", signatures=[sign(BODY, b"key")]))
        await asyncio.to_thread(begun.wait, 10)
        hooks.webhooks.use(
            {"a": Webhook("Inkit-Signature", Slow(b"key")), "b": Webhook("Inkit-Signature", Secret(b"b"))}
        )
        second = asyncio.create_task(hooks.post("b", signatures=[sign(BODY, b"b")]))
        await asyncio.sleep(0)
        going.set()
        return [(await first).status, (await second).status]

    assert asyncio.run(scene()) == [202, 202]
