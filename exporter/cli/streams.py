"""Standard input, output and error as the program relies on them. What is written to them is not known here."""

import io
import os
import sys
from typing import Any


class OutputError(OSError):
    """Standard output could not be written. No other file raises this."""


class _Output(io.FileIO):
    """Standard output, whose errors can be told from those of other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def prepare() -> None:
    """Make all three streams exist, and failures to write standard output recognizable.

    Where a stream is closed, a file that is opened later would take its number, and get what is printed.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number. Output that is closed can't be written, and says so.
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 (a number, for as long as the program runs)
    before = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        encoding=None if before is None else before.encoding,
        errors=None if before is None else before.errors,
        line_buffering=before is not None and bool(before.line_buffering),
    )


def discard_output() -> None:
    """Throw away what could not be written: it must not be tried again at the end of the program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
