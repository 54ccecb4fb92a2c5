"""Print the results of a command: as text, or as JSON lines where the log format is JSON."""

import logging
import sys
from collections.abc import Container, Iterator, Sequence
from typing import TextIO

from exporter.cli.log_format import LineFormatter, Style


class Printer:
    """Prints results to standard output, and warnings and problems to standard error."""

    def __init__(self, style: Style) -> None:
        self._style = style

    def result(self, text: str, **fields: object) -> None:
        """Print a line about a success."""
        self._print(sys.stdout, logging.INFO, text, fields)

    def detail(self, text: str) -> None:
        """Print a line that belongs to the result before. In JSON its fields have all details."""
        if self._style != "json":
            print(f"  {text}")

    def warning(self, text: str, **fields: object) -> None:
        """Print a line about what works but should be changed."""
        self._print(sys.stderr, logging.WARNING, text, fields)

    def problem(self, text: str, **fields: object) -> None:
        """Print a line about an error."""
        self._print(sys.stderr, logging.ERROR, text, fields)

    def _print(self, stream: TextIO, level: int, text: str, fields: dict[str, object]) -> None:
        if self._style == "json":
            record = {"levelno": level, "levelname": logging.getLevelName(level), "msg": text, **fields}
            text = LineFormatter("json").format(logging.makeLogRecord(record))
        print(text, file=stream)


def columns(rows: Sequence[Sequence[str]], numbers: Container[int]) -> Iterator[str]:
    """Yield the rows as lines with aligned columns; those of numbers, by their place, end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
