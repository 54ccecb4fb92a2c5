"""The faults of the matrix, each with how it begins and ends. What the metrics must say of it is in expected.py."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from exporter.demo.http_types import PHRASES
from exporter.model.record import FetchError, Key
from tests.support.matrix import disk, fields, sockets, wire
from tests.support.matrix.disk import Disk, Happens
from tests.support.matrix.phases import Begin, Undo
from tests.support.matrix.scene import Scene
from tests.support.matrix.watched import WATCHED
from tests.support.matrix.wire import RESPONSE_BYTES, Effect
from tests.support.rig import DAY, NOW

DISK = Disk()
"""The disk under the state file of every cell."""


class Section(Enum):
    """What has the fault. The value is its heading on the page."""

    STATUS = "Statuses and rate limits"
    BODY = "Answers with status 200"
    FIELD = "Fields of records"
    CONNECTION = "Connections"
    CLOCK = "This machine's clock"
    STATE = "State file"
    TOKEN = "Token file"


@dataclass(frozen=True)
class Fault:
    """A fault that lasts for some polls."""

    section: Section
    name: str
    begin: Begin
    kind: str
    """What it comes to, for expected.py: faults of a kind show themselves alike."""
    of: frozenset[str] = frozenset(watched.kind for watched in WATCHED)
    """The lists that can have it."""
    same: Callable[[Key], Key | None] = lambda key: key
    """What becomes of a series of events for the comparison with the world: some can't be told from others."""
    hides: bool = False
    """Whether it hides something of records that are counted: what a first reading did not see counts afterwards."""


def _api(effect: Effect) -> Begin:
    def begin(scene: Scene) -> Undo:
        scene.wire.effect = effect

        def end() -> None:
            scene.wire.effect = None

        return end

    return begin


def _status_kind(code: int) -> str:
    known = {401: "auth", 403: "auth", 429: "rate_limited", 404: "404", 405: "405", 410: "410", 400: "400", 422: "422"}
    known |= {408: "not_200", 425: "not_200"}
    return known.get(code) or ("server_error" if code >= 500 else "4xx" if code >= 400 else "not_200")


def _statuses() -> Iterator[Fault]:
    codes = [201, 202, 203, 204, 205, 206, 300, 304]
    codes += [code for code in PHRASES if 400 <= code < 600]
    codes += [420, 499, 520, 521, 522, 523, 524, 525, 526, 529, 530, 561, 598, 599]
    for code in sorted({*codes} - {429}):
        yield Fault(Section.STATUS, f"{code}", _api(wire.status(code)), _status_kind(code))
    for code in (301, 302, 303, 307, 308):
        yield Fault(Section.STATUS, f"{code}", _api(wire.status(code, {"Location": f"{wire.BASE}/batch"})), "not_200")
    for name, url in {
        "to the same address": f"{wire.BASE}/batch",
        "to another host": "https://elsewhere.example/v1/batch",
        "to plain HTTP": "http://api.example/v1/batch",
        "to itself by another name": "//API.example/v1/batch",
        "without an address": "",
        "to a file": "file:///etc/passwd",
    }.items():
        yield Fault(Section.STATUS, f"redirect {name}", _api(wire.status(302, {"Location": url})), "not_200")
    for code in (401, 404, 500, 502, 503):
        page = b"<!DOCTYPE html><html><body>Sorry</body></html>"
        yield Fault(
            Section.STATUS,
            f"{code} with HTML",
            _api(wire.status(code, {"Content-Type": "text/html"}, page)),
            _status_kind(code),
        )


def _rate_limits() -> Iterator[Fault]:
    pauses = {"3": True, "0": False, "0.4": True, "120": True, "999999999999999999999": True, "1e9": False, "-5": False}
    pauses |= {"": False, "soon": False, "NaN": False, "5, 3": True, "Tue, 14 Nov 2023 22:00:00 GMT": False}
    pauses |= {"Fri, 14 Nov 2200 22:13:50 GMT": True, "Fri, 99 Nov 2023 99:99:99 GMT": False}
    for code in (429, 503):
        kind = "rate_limited" if code == 429 else "server_error"
        yield Fault(Section.STATUS, f"{code} without `Retry-After`", _api(wire.status(code)), kind)
        for text, waits in pauses.items():
            name = f"{code} with `Retry-After: {text}`" if text else f"{code} with an empty `Retry-After`"
            effect = wire.status(code, {"Retry-After": text})
            yield Fault(Section.STATUS, name, _api(effect), kind + " paused" * waits)
    used_up = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}
    refused = {"`Retry-After: 3`": {"Retry-After": "3"}, "`X-RateLimit-Remaining: 0`": used_up}
    for name, headers in refused.items():
        kind = "rate_limited used up" if "X-RateLimit-Limit" in headers else "rate_limited paused"
        yield Fault(Section.STATUS, f"403 with {name}", _api(wire.status(403, headers)), kind)
    nonsense = {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "NaN"}
    yield Fault(Section.STATUS, "429 with `X-RateLimit-Reset`", _api(wire.status(429, used_up)), "rate_limited used up")
    yield Fault(Section.STATUS, "200 with `X-RateLimit-Remaining: 0`", _api(wire.head(used_up)), "used up")
    yield Fault(
        Section.STATUS,
        '200 with `RateLimit: "day";r=0;t=30`',
        _api(wire.head({"RateLimit": '"day";r=0;t=30'})),
        "used up",
    )
    yield Fault(Section.STATUS, "200 with rate limit headers that are nonsense", _api(wire.head(nonsense)), "nothing")


def _no_rows(body: bytes) -> bytes:
    """Take the rows off a page of a list."""
    answer = json.loads(body)
    lists: dict[str, list[Any]] = {key: [] for key in ("items", "data") if isinstance(answer.get(key), list)}
    return json.dumps({**answer, **lists}).encode()


def _inserted(text: bytes) -> Callable[[bytes], bytes]:
    """Put a member with an odd value first in each object of the answer, whatever the object is."""
    return lambda body: body.replace(b"{", b'{"odd":' + text + b",", 1)


def _bodies() -> Iterator[Fault]:
    broken = {
        "HTML": b"<!DOCTYPE html><html><body>Sorry</body></html>",
        "nothing": b"",
        "white space": b" \n",
        "`null`": b"null",
        "`true`": b"true",
        "a number": b"3",
        "a text": b'"items"',
        "`[]`": b"[]",
        "`{}`": b"{}",
        "a list of the wrong type": b'{"items":3,"data":3}',
        "a list that is `null`": b'{"items":null,"data":null}',
        "XML": b'<?xml version="1.0"?><items/>',
    }
    for name, content in broken.items():
        kind = {b"{": "no list", b"[": "no object"}.get(content[:1], "malformed")
        yield Fault(Section.BODY, name, _api(wire.status(200, body=content)), kind)
    changed: Mapping[str, Callable[[bytes], bytes]] = {
        "half of the JSON": lambda body: body[: len(body) // 2],
        "all but the last byte": lambda body: body[:-1],
        "JSON and more": lambda body: body + b"}",
        "JSON twice": lambda body: body + body,
        "JSON after garbage": lambda body: b")]}'," + body,
        "compressed without saying so": lambda body: b"\x1f\x8b\x08\x00" + body,
        "encrypted": lambda body: bytes(byte ^ 0x55 for byte in body),
    }
    for name, change in changed.items():
        yield Fault(Section.BODY, name, _api(wire.body(change)), "garbled")
    good: Mapping[str, Callable[[bytes], bytes]] = {
        "a byte order mark": lambda body: b"\xef\xbb\xbf" + body,
        "UTF-16": lambda body: body.decode().encode("utf-16"),
        "UTF-32": lambda body: body.decode().encode("utf-32"),
        "`NaN`": _inserted(b"NaN"),
        "`Infinity`": _inserted(b"-Infinity"),
        "a number of 5,000 digits": _inserted(b"9" * 5_000),
        "`1e999`": _inserted(b"1e999"),
        "5,000 levels of lists": _inserted(b"[" * 5_000 + b"]" * 5_000),
        "5,000 levels of objects": _inserted(b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        "a lone surrogate": _inserted(b'"\\ud800"'),
        "a NUL": _inserted(b'"\\u0000"'),
        "a text of 10 KB": _inserted(b'"' + b"x" * 10_000 + b'"'),
        "bytes that are not UTF-8": _inserted(b'"\xff\xc3"'),
        "Latin-1": _inserted('"\u00e9"'.encode("latin-1")),
        "a line break in a text": _inserted(b'"\n"'),
        "control characters": _inserted(b'"\x00\x1b\t"'),
        "a repeated key": _inserted(b'0,"odd":1'),
    }
    for name, change in good.items():
        yield Fault(Section.BODY, name, _api(wire.body(change)), "nothing")
    yield Fault(
        Section.BODY,
        "more bytes than are read",
        _api(wire.body(lambda body: body + b" " * RESPONSE_BYTES)),
        "too_large",
    )
    yield Fault(Section.BODY, "another content type", _api(wire.body(lambda body: body, "text/plain")), "nothing")
    yield Fault(Section.BODY, "an empty page", _api(wire.body(_no_rows)), "empty")
    for status in (401, 404, 429, 500):
        envelope = json.dumps(
            {"message": "no", "code": "no", "status": status, "errors": ["no"], "data": None}
        ).encode()
        begin = _api(wire.status(200, body=envelope))
        yield Fault(
            Section.BODY, f"an envelope with status {status}", begin, _status_kind(status), frozenset({"batches"})
        )


def _connections() -> Iterator[Fault]:
    def begin(name: str) -> Begin:
        def lose(_: object) -> FetchError:
            error = sockets.outcomes()[name]
            assert error is not None, f"{name}: the real transport gives an answer"
            return error

        return _api(lose)

    for name, (reason, _) in sockets.WAYS.items():
        yield Fault(Section.CONNECTION, name, begin(name), reason)


def _clocks() -> Iterator[Fault]:
    def begin(seconds: float) -> Begin:
        def set_clock(scene: Scene) -> Undo:
            scene.clocks.off = seconds

            def end() -> None:
                scene.clocks.off = 0.0

            return end

        return set_clock

    for name, seconds in {
        "4 minutes ahead": 240.0,
        "a day ahead": DAY,
        "a year ahead": 365 * DAY,
        "in the year 2100": 2_400_000_000.0,
        "4 minutes behind": -240.0,
        "a day behind": -DAY,
        "a year behind": -365 * DAY,
        "at the epoch": -NOW,
    }.items():
        yield Fault(Section.CLOCK, name, begin(seconds), "clock")


def _states() -> Iterator[Fault]:
    def begin(before: Happens | None, after: Happens | None = None) -> Begin:
        def fail(_: Scene) -> Undo:
            DISK.before, DISK.after = before, after

            def end() -> None:
                DISK.before = DISK.after = None

            return end

        return fail

    def slow(scene: Scene) -> Undo:
        return begin(lambda _: scene.pass_time(1.0))(scene)

    def deleted(scene: Scene) -> Undo:
        for path in scene.path.parent.glob(f"{scene.path.name}*"):
            path.unlink()
        return lambda: None

    def moved(scene: Scene) -> Undo:
        path = scene.path
        away = path.with_name("away")
        path.rename(away)

        def end() -> None:
            away.replace(path)

        return end

    def replaced(scene: Scene) -> Undo:
        undo = moved(scene)
        scene.path.write_bytes(b"")
        return undo

    full, read_only = sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY
    yield Fault(Section.STATE, "disk full", begin(disk.at_writes(full)), "state")
    yield Fault(Section.STATE, "disk full at the commit", begin(disk.at_commits(full)), "state")
    yield Fault(Section.STATE, "read-only", begin(disk.at_writes(read_only)), "state")
    yield Fault(Section.STATE, "I/O errors", begin(disk.at_all(sqlite3.SQLITE_IOERR)), "state unreadable")
    yield Fault(
        Section.STATE, "an I/O error after the commit", begin(None, disk.at_commits(sqlite3.SQLITE_IOERR)), "state"
    )
    yield Fault(Section.STATE, "locked by another program", begin(disk.at_writes(sqlite3.SQLITE_BUSY)), "state_locked")
    yield Fault(Section.STATE, "no memory", begin(disk.at_all(sqlite3.SQLITE_NOMEM)), "state unreadable")
    yield Fault(Section.STATE, "a second for each statement", slow, "nothing")
    yield Fault(Section.STATE, "deleted", deleted, "nothing")
    yield Fault(Section.STATE, "moved away", moved, "state moved")
    yield Fault(Section.STATE, "replaced by another file", replaced, "state moved")


def _content(text: bytes | None) -> Begin:
    def spoil(scene: Scene) -> Undo:
        before = scene.token_file.read_bytes()
        if text is None:
            scene.token_file.unlink()
        else:
            scene.token_file.write_bytes(text)

        def end() -> None:
            scene.token_file.write_bytes(before)

        return end

    return spoil


def _rotated(*, late: bool) -> Begin:
    def rotate(scene: Scene) -> Undo:
        scene.wire.token = "another-token"

        def write() -> None:
            scene.token_file.write_text("another-token")

        if late:
            return write
        write()
        return lambda: None

    return rotate


def _folder(scene: Scene) -> Undo:
    undo = _content(None)(scene)
    scene.token_file.mkdir()

    def end() -> None:
        scene.token_file.rmdir()
        undo()

    return end


def _tokens() -> Iterator[Fault]:
    yield Fault(Section.TOKEN, "rotated in the API and the file", _rotated(late=False), "rotated")
    yield Fault(Section.TOKEN, "rotated in the API, and later in the file", _rotated(late=True), "auth")
    for name, text in {
        "emptied": b"",
        "white space": b" \n",
        "removed": None,
        "another token": b"wrong-token",
        "a placeholder": b"<your token>",
        "two lines": b"demo-token\ndemo-token",
        "not UTF-8": b"\xff\xfe",
        "very large": b"x" * 100_000,
    }.items():
        yield Fault(Section.TOKEN, name, _content(text), "auth")
    yield Fault(Section.TOKEN, "a folder", _folder, "auth")


def _fields() -> Iterator[Fault]:
    for path, kinds in fields.fields().items():
        name = ".".join(path)
        yield Fault(
            Section.FIELD,
            f"`{name}`",
            fields.wrong(path),
            "field",
            kinds,
            fields.same(path),
            path not in (("id",), ("created_at",)),
        )


def _all() -> tuple[Fault, ...]:
    return (
        *_statuses(),
        *_rate_limits(),
        *_bodies(),
        *_fields(),
        *_connections(),
        *_clocks(),
        *_states(),
        *_tokens(),
    )


FAULTS = _all()
