"""`batch-exporter once`: one complete poll, its metrics on standard output or in a file."""

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from exporter import __version__
from exporter.cli.load_config import configuration, logged
from exporter.cli.printing import Printer
from exporter.cli.streams import OutputError
from exporter.cli.version import revision
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.build import Shared, account_pipeline
from exporter.polling.poller import Poller
from exporter.state import prepared
from exporter.systems import families, sources

_REFRESH_SECONDS = 0.2
_BAR = "{bar:30}| {n_fmt} of {total_fmt} collectors{postfix}"


def run(given: argparse.Namespace) -> bool:
    """Poll every collector once, all at the same time. True if none failed."""
    config = logged(configuration(given))
    printer = Printer(given.log_format)
    if given.output is not None:
        problem = _problem(given.output)
        if problem is not None:
            printer.problem(f"cannot write {given.output}: {problem}")
            return False
        # Of a link, the file it leads to is written.
        given.output = given.output.resolve()
    board = SnapshotStore()
    live = SelfMetrics(__version__, revision(), board)
    with prepared(config.state_path) as state:
        shared = Shared(state, board, live)
        made = [
            poller for account in config.accounts for poller in account_pipeline(account, sources(), shared).pollers
        ]
        for poller in made:
            poller.restore()
            poller.continue_output()
        _poll_all(made)
        exposition = Exposition(board, catalog(families()), live.registry)
        try:
            _write(given.output, b"".join(exposition.render().chunks))
        except OutputError:
            raise
        except OSError as error:
            printer.problem(f"cannot write {given.output}: {error.strerror}")
            return False
        for poller in made:
            poller.written()
    return all(poller.facts.up for poller in made)


def _problem(output: Path) -> str | None:
    """Return why the output can't be a file that is replaced as a whole: a device must not become one."""
    if output.is_dir():
        return "it is a folder; add the name of a file in it"
    if not output.parent.is_dir():
        return "there is no such folder"
    special = any(output.absolute().is_relative_to(folder) for folder in ("/dev", "/proc"))
    if special or (output.exists() and not output.is_file()):
        return "it is not a regular file; leave --output out to print the metrics"
    return None


def _poll_all(made: list[Poller]) -> None:
    threads = [threading.Thread(target=poller.poll, daemon=True) for poller in made]
    with (
        tqdm(total=len(made), bar_format=_BAR, leave=False, disable=not sys.stderr.isatty()) as bar,
        logging_redirect_tqdm(),
    ):
        # Not before the log is redirected: what two handlers write at once would stand on one line.
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(_REFRESH_SECONDS)
            bar.n = len(made) - len(alive)
            bar.set_postfix(records=sum(poller.facts.finished + poller.facts.in_flight for poller in made))


def _write(output: Path | None, text: bytes) -> None:
    if output is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    # Whoever reads the folder sees the old file or the new one. The name ends in no ".prom" until it is complete.
    partial = output.with_name(f"{output.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(text)
        partial.replace(output)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
