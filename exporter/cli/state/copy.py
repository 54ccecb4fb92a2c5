"""`batch-exporter state copy`: copy a state between files and databases, and compare both."""

import argparse
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from exporter.cli.flags import UsageError
from exporter.cli.printing import Printer
from exporter.cli.state.places import Place, name_of, place, warn_of_password
from exporter.state.sqlite import tables as sqlite_tables
from exporter.state.tables import TABLES, Tables, copy

_BAR = "{bar:30}| {percentage:3.0f}% {rate_fmt}, {remaining} left"


def run(args: argparse.Namespace) -> bool:
    """Copy, and print what was copied. Raises UsageError and StateError; then the target is as it was."""
    # Handle SIGTERM like Ctrl-C: the transaction is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    printer = Printer(args.log_format)
    places = place("FROM", args.source), place("TO", args.target)
    if _same(*places):
        raise UsageError("TO: it is the same as FROM: name an empty place")
    warn_of_password(printer, args.source, args.target)
    came, went = map(name_of, places)
    with _source(places[0]) as source, _target(places[1]) as target, _bar(source) as bar:
        copied = copy(source, target, lambda rows: _advance(bar, rows))
    listed = ", ".join(f"{count:,} {name}" for name, count in copied.items())
    printer.result(f"copied from {came} to {went}: {listed}; both have the same digests", **copied)
    return True


def _same(source: Place, target: Place) -> bool:
    if isinstance(source, Path) and isinstance(target, Path):
        return source.resolve() == target.resolve()
    if isinstance(source, Path) or isinstance(target, Path):
        return False
    return source.read() == target.read()


def _source(at: Place) -> AbstractContextManager[Tables]:
    if isinstance(at, Path):
        return sqlite_tables.source(at)
    from exporter.state.postgres import tables

    return tables.source(at.read, at.shown())


def _target(at: Place) -> AbstractContextManager[Tables]:
    if isinstance(at, Path):
        return sqlite_tables.target(at)
    from exporter.state.postgres import tables

    return tables.target(at.read, at.shown())


def _advance(bar: "tqdm[NoReturn]", rows: int) -> None:
    bar.update(rows)


def _bar(source: Tables) -> "tqdm[NoReturn]":
    """Return a progress bar on a terminal. Each row is written once, and read again once."""
    rows = 2 * sum(map(source.count, TABLES))
    return tqdm(total=rows, bar_format=_BAR, unit=" rows", leave=False, disable=not sys.stderr.isatty())
