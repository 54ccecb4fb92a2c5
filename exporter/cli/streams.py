"""Make standard input, output and error reliable, whatever state the program inherits them in."""

import io
import os
import sys
from typing import Any


class OutputError(OSError):
    """Standard output could not be written. Errors of other files are of other types."""


class _Output(io.FileIO):
    """Standard output that raises OutputError."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def prepare() -> None:
    """Open streams that are closed, and let failed writes to standard output raise OutputError.

    A file opened later would otherwise take the number of a closed stream, and receive what is printed.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # This takes the lowest free number. Output stays not writable, so that printing to it fails with an error.
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 (open for as long as the program runs)
    before = sys.stdout
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        encoding=None if before is None else before.encoding,
        errors=None if before is None else before.errors,
        line_buffering=before is not None and bool(before.line_buffering),
    )


def discard_output() -> None:
    """Discard buffered output, which Python would try to write again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
