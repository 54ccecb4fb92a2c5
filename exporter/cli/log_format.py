"""How log lines look: one for each event, in the style of Prometheus's own. What is logged is decided elsewhere.

`log.info("polled", extra={"account": "production"})` becomes
`time=2026-01-02T03:04:05.678Z level=INFO msg=polled account=production`.
"""

import json
import logging
import math
import os
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

Style = Literal["logfmt", "json"]
Value = str | int | float | bool
Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
"""What `sys.exc_info` tells."""

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

    def formatException(self, ei: Raised) -> str:  # noqa: N802 (the base class's name)
        """What was raised and where, the cause first, without its text: that may quote a URL, a token or a record."""
        return "\n".join(map(_traced, _causes_first(ei[1])))

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


def _causes_first(error: BaseException | None) -> list[BaseException]:
    """The error after those that it came from, as in a traceback."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _traced(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + _kind(error)


def _kind(error: BaseException) -> str:
    """The type's name; of an error of the system, what the system calls it too."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{name}: {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else name


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
