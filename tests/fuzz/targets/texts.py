"""Single values that operators write, and what the log makes of any value."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exporter.cli.log_format import LineFormatter
from exporter.config import durations, placeholder, sizes
from exporter.config.token import Token, TokenError
from exporter.config.values import base_url, batch_id, name, proxy_url
from exporter.model.database_url import parameter_names, problem, shown
from exporter.state import postgres
from exporter.web.config import go
from tests.fuzz.mutators import BYTES, lines, spliced, words
from tests.fuzz.target import Target

_MARK = "qzcanary"
_LONGEST = 250
_SHOWN = ("host", "hostaddr", "port", "dbname")
"""The parameters of a database that may be shown."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _message(error: Exception, given: str) -> None:
    """Check that a message does not repeat the text, and is one line."""
    message = str(error)
    assert 0 < len(message) < _LONGEST, message
    assert message.isprintable(), message
    assert len(given) < 12 or given not in message, message
    assert _MARK not in message, message


def _values(data: bytes) -> None:
    text = _text(data)
    for check in (_duration, _size, _go_duration, name, batch_id, base_url, proxy_url):
        try:
            check(text)
        except ValueError as error:
            _message(error, text)


def _duration(text: str) -> None:
    seconds = durations.parse(text)
    assert seconds > 0
    assert durations.parse(durations.write(seconds)) == seconds


def _size(text: str) -> None:
    size = sizes.parse(text)
    # A size is written rounded down.
    assert 0 < sizes.parse(sizes.write(size)) <= size


def _go_duration(text: str) -> None:
    assert go.duration(text) >= 0


def _token(data: bytes) -> None:
    text = _text(data[:8192])
    found = placeholder.problem(text)
    assert found is None or found.isprintable()
    try:
        token = Token(text).read()
    except TokenError as error:
        _message(error, text)
    else:
        token.encode("latin-1")
        assert not {"\r", "\n", "\0"} & set(token)


def _database(data: bytes) -> None:
    url = _text(data[:8192])
    found = problem(url)
    display = shown(url)
    assert display.isprintable()
    assert _MARK not in display or _MARK in _public(url), display
    if found is not None:
        assert found.isprintable()
        assert _MARK not in found
        return
    parameter_names(url)
    refused = postgres.problem(url)
    if refused is not None:
        assert refused.isprintable()
        assert _MARK not in refused or _MARK in _public(url), refused
        return
    meant = conninfo_to_dict(url)
    places, _, name = display.partition("://")[2].rpartition("/")
    hosts = [
        unquote(re.sub(r"\[(.*)\](?::[0-9]+)?|([^:]*)(?::[0-9]+)?", r"\1\2", place)) for place in places.split(",")
    ]
    assert ",".join(hosts) == (meant.get("host") or meant.get("hostaddr")), (display, meant)
    assert unquote(name) == meant["dbname"], (display, meant)


def _public(url: str) -> str:
    """Return what of a URL may be shown, as libpq reads it; what is behind the password if it can't."""
    try:
        read = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):
        place, _, query = re.sub(r"^[^@/]*@", "", url.partition("://")[2]).partition("?")
        return " ".join([place, *(pair for pair in query.split("&") if pair.partition("=")[0] in _SHOWN)])
    return " ".join(str(read.get(key)) for key in _SHOWN)


def _log(data: bytes) -> None:
    message, *fields = _text(data).split("\n\n")
    keys = dict.fromkeys((field[:20] or "x" for field in fields), None)
    record = logging.makeLogRecord({"msg": "%s", "args": (message,), "levelno": 20, "levelname": "INFO"})
    for key, field in zip(keys, fields, strict=False):
        if key not in record.__dict__:
            record.__dict__[key] = float(len(field)) / 3 if field.startswith("1") else field
    assert LineFormatter("logfmt").format(record).isprintable()
    line = LineFormatter("json").format(record)
    assert line.isprintable()
    read = json.loads(line)
    assert read["msg"] == message
    assert read["level"] == "INFO"


_URLS = words(
    *(
        "postgresql://",
        "postgres://",
        "@",
        "/",
        ":",
        "?",
        "&",
        "=",
        "%40",
        "%00",
        "%",
        "%2",
        "%ff",
        "[::1]",
        ",",
        "#",
        " ",
    ),
    *(
        "host=",
        "hostaddr=",
        "port=",
        "password=",
        "dbname=",
        "sslmode=",
        "service=",
        "passfile=",
        _MARK,
        f":{_MARK}@",
        "localhost",
    ),
)
_SEEDS: Mapping[str, tuple[Callable[[bytes], None], Sequence[bytes], Callable[..., bytes]]] = {
    "values": (
        _values,
        [
            *(
                b"1h30m",
                b"30s",
                b"100y",
                b"1d",
                b"500ms",
                b"64MiB",
                b"512KB",
                b"1m30s",
                b"1.5h",
                b"1000000000",
                b"-1s",
                b"1s1h",
            ),
            *(
                b"https://api.example/v1",
                b"http://127.0.0.1:8080",
                b"http://user:qzcanary@proxy:3128",
                b"https://[::1]:1/x",
                b"fb_1",
            ),
        ],
        words(
            "y",
            "w",
            "d",
            "h",
            "m",
            "s",
            "ms",
            "us",
            "µs",
            "ns",
            "KiB",
            "B",
            "M",
            "\u0661",
            "https://",
            "@",
            ":",
            "[",
            "]",
            "/",
            "%",
            ".",
        ),
    ),
    "token": (
        _token,
        [
            b"qzcanary-0123456789abcdef",
            b"Bearer qzcanary",
            b"changeme",
            b"${TOKEN}",
            b"<your token>",
            b"x-api-key: qzcanary",
            b"export TOKEN=qzcanary",
            b"{{ .token }}",
            b"'qzcanary'",
            b"ENC[x]",
            b"my_inkit_api_token_here",
            b"\xe9\xff",
            b"a b",
        ],
        words(
            "your",
            "token",
            "key",
            "secret",
            "here",
            "change",
            "me",
            "this",
            "replace",
            "with",
            "<",
            ">",
            "${",
            "{{",
            '"',
            "'",
            "_",
            "-",
            "*",
            " ",
            ":",
            "=",
        ),
    ),
    "state-url": (
        _database,
        [
            b"postgresql://user:qzcanary@db.example:5432/state?sslmode=verify-full",
            b"postgres://user:qzcanary@a:1,b:2,[::1]:3/state?target_session_attrs=read-write",
            b"postgresql://%2Frun%2Fpostgresql/state",
            b"postgresql:///state?host=/run/postgresql&user=u&password=qzcanary",
            b"postgresql://u:qz%40canary@h/my%20state",
        ],
        _URLS,
    ),
    "log": (
        _log,
        [
            b'polled\n\naccount\n\n1\n\ntext with "quotes" and \\\n\n\x1b[2J',
            "\u2028\n\nmsg\n\n\ud83d\ude00".encode("utf-8", "surrogatepass"),
        ],
        words("\n\n", "\r", '"', "\\", "=", "\x00", "\u202e", "\u2028", "msg", "time", "exc_info", "args", "level"),
    ),
}


def _target(kind: str) -> Callable[[], AbstractContextManager[Target]]:
    @contextmanager
    def opened() -> Iterator[Target]:
        check, seeds, vocabulary = _SEEDS[kind]
        yield Target(kind, check, seeds, (*BYTES, vocabulary, vocabulary, vocabulary, lines(b"&"), spliced(seeds)))

    return opened


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {kind: _target(kind) for kind in _SEEDS}
