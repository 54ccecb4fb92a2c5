"""Printing what a command has found: as text, or as JSON lines where the log is in JSON too."""

import logging
import sys
from typing import TextIO

from exporter.cli.log_format import LineFormatter, Style


class Printer:
    """Prints results to standard output, and warnings and problems to standard error."""

    def __init__(self, style: Style) -> None:
        self._style = style

    def result(self, text: str, **fields: object) -> None:
        """Print a line about what is right."""
        self._print(sys.stdout, logging.INFO, text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Print a line about what may go on, but should be changed."""
        self._print(sys.stderr, logging.WARNING, text, fields)

    def problem(self, text: str, **fields: object) -> None:
        """Print a line about what is wrong."""
        self._print(sys.stderr, logging.ERROR, text, fields)

    def _print(self, stream: TextIO, level: int, text: str, fields: dict[str, object]) -> None:
        if self._style == "json":
            record = {"levelno": level, "levelname": logging.getLevelName(level), "msg": text, **fields}
            text = LineFormatter("json").format(logging.makeLogRecord(record))
        print(text, file=stream)
