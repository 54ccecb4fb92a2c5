"""The tables of figures, and their places in docs/performance.md. Nothing is measured here."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_HEAD = ("figure", "where", "batch-exporter", "compared with", "ratio", "wanted")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, ready to be read."""

    figure: str
    where: str
    ours: str
    beside: str
    ratio: str
    wanted: str


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD), *(astuple(row) for row in rows)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def measured(rows: Sequence[Row], command: str) -> str:
    """Return the table, introduced by the command, machine and versions that it was measured with."""
    return (
        f"Measured with `{command}` on {software()}, all in one run: seconds and speeds"
        f" are of that run, ratios and counts are what to go by.\n\n{table(rows)}"
    )


def software() -> str:
    """Return the machine and the versions of Python and SQLite, in words."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"a shared machine ({machine}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version})"


def markers(command: str) -> tuple[str, str]:
    """Return the two lines of the page between which a command's table stands."""
    return f"<!-- what `{command}` has measured: do not edit -->\n", f"<!-- end of what `{command}` has measured -->\n"


def write(text: str, command: str, page: Path = PAGE) -> None:
    """Put a new text in a command's place on the page. Raises OSError, and ValueError where a marker is missing."""
    first, last = markers(command)
    before, begin, rest = page.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{page} has no place for the table: it must stand between {first!r} and {last!r}")
    page.write_text(f"{before}{begin}{text}{end}{after}")


def number(value: float) -> str:
    return f"{value:,.0f}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds * 1000:,.0f} ms"


def mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:.0f} MiB"
