"""How log lines look: one for each event, in the style of Prometheus's own. What is logged is decided elsewhere.

`log.info("polled", extra={"account": "production"})` becomes
`time=2026-01-02T03:04:05.678Z level=INFO msg=polled account=production`.
"""

import json
import logging
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TextIO

Style = Literal["logfmt", "json"]
Value = str | int | float | bool

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""The values of --log.level, those of Prometheus."""

_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}
_FIXED = ("time", "level", "msg", "exception", "stack")
_PLAIN = re.compile(r"[^\s\"=\\]+")


def setup(level: str, style: Style, stream: TextIO) -> None:
    """Send all logging to `stream`, in the place of what was set up before.

    `level` is one of LEVELS. Libraries are heard only from warnings up: what they tell of their daily work (requests'
    URLs, connections) is not the operator's.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.getLogger("exporter").setLevel(LEVELS[level])
    # Of headers that it can't parse it warns with the whole URL, and a presigned one opens a file to whoever has it.
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class LineFormatter(logging.Formatter):
    """Writes a log record as one line, whatever its values hold."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self._layout = style
        self._standard = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(self._fields(record))
        if self._layout == "json":
            return json.dumps(fields)
        return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, Value]]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        yield "time", moment.replace("+00:00", "Z")
        yield "level", _NAMES.get(record.levelno, record.levelname)
        yield "msg", record.getMessage()
        for key, value in record.__dict__.items():
            if key not in self._standard and value is not None:
                yield _key(key), _value(value)
        if record.exc_info:
            yield "exception", self.formatException(record.exc_info)
        if record.stack_info:
            yield "stack", record.stack_info


def _key(name: str) -> str:
    """A key that needs no quotes and is not one of the fixed ones."""
    key = re.sub(r"[^A-Za-z0-9_.]", "_", name)
    return f"{key}_" if key in _FIXED else key


def _value(value: object) -> Value:
    """Numbers stay numbers, except for those that JSON has no way to write."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, Value) else str(value)


def _logfmt(value: Value) -> str:
    """Bare where that is unambiguous, else quoted, with everything that is not printable escaped."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _PLAIN.fullmatch(text) and text.isprintable():
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    short = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}.get(character)
    return short or (rf"\u{ord(character):04x}" if ord(character) <= 0xFFFF else rf"\U{ord(character):08x}")
