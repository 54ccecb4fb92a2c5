"""Format log records as Prometheus does: one line for each event.

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
from types import TracebackType
from typing import Literal, TextIO

from exporter.model.iso_time import format_iso_time

Style = Literal["logfmt", "json"]
Value = str | int | float | bool
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
"""The result of `sys.exc_info`."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""The values of --log.level, as in Prometheus."""

_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}
_FIXED = ("time", "level", "msg", "exception", "stack")
_PLAIN = re.compile(r"[^\s\"=\\]+")


def setup(level: str, style: Style, stream: TextIO) -> None:
    """Send all logging to `stream`, and replace an earlier setup.

    `level` is one of LEVELS. Libraries log from warnings up only: their details (requests' URLs, connections) are of
    no use to operators.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.getLogger("exporter").setLevel(LEVELS[level])
    # They log a warning at each answer. The first one quotes the URL, and a presigned URL gives access to a file.
    for about_answers in ("urllib3.connection", "urllib3.response"):
        logging.getLogger(about_answers).setLevel(logging.ERROR)


class LineFormatter(logging.Formatter):
    """Formats a log record as one line, whatever its values hold."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self._layout = style
        self._standard = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 (the base class's name)
        """Return types and tracebacks, the cause first, without texts: they may quote a URL, a token or a record."""
        return "\n".join(map(_traceback, _causes_first(ei[1])))

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(self._fields(record))
        if self._layout == "json":
            return json.dumps(fields)
        return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, Value]]:
        yield "time", format_iso_time(record.created, "milliseconds")
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
    """Return the error after those that caused it, as in a traceback."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + _type(error)


def _type(error: BaseException) -> str:
    """Return the type's name, followed by the system's message for an error of the system."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return f"{name}: {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else name


def _key(name: str) -> str:
    """Return a key without characters that need quotes, and different from the fixed keys."""
    key = re.sub(r"[^A-Za-z0-9_.]", "_", name)
    return f"{key}_" if key in _FIXED else key


def _value(value: object) -> Value:
    """Return numbers as they are, except those that JSON cannot represent, and anything else as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, Value) else str(value)


def _logfmt(value: Value) -> str:
    """Return a value as it is where that is unambiguous, else quoted with everything unprintable escaped."""
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
