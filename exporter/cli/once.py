"""`batch-exporter once`: poll once, and write the metrics to standard output or a file."""

import argparse
import concurrent.futures
import sys
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from exporter import __version__
from exporter.cli.atomic_write import atomic_write
from exporter.cli.flags import UsageError
from exporter.cli.load_config import configuration, log_warnings
from exporter.cli.printing import Printer
from exporter.cli.streams import OutputError
from exporter.cli.version import revision
from exporter.client.memory_budget import save_memory
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.build import Shared, account_pipeline, request_limits
from exporter.polling.engine import Engine
from exporter.polling.poller import Poller
from exporter.polling.scheduler import Scheduler
from exporter.state import prepared
from exporter.systems import families, sources

_REFRESH_SECONDS = 0.2
_BAR = "{bar:30}| {n_fmt} of {total_fmt} collectors{postfix}"


def run(args: argparse.Namespace) -> bool:
    """Poll every collector once, all at the same time. Return whether all polls succeeded. Raises UsageError."""
    config = log_warnings(configuration(args))
    if config.database is not None:
        raise UsageError(
            "once can't share the state of replicas: name a configuration with state.path instead of state.url and"
            " state.url_file, and give once that file for itself"
        )
    save_memory()
    printer = Printer(args.log_format)
    if args.output is not None:
        problem = _problem(args.output)
        if problem is not None:
            printer.problem(f"cannot write {args.output}: {problem}")
            return False
        # Replace the target of a symbolic link, not the link.
        args.output = args.output.resolve()
    store = SnapshotStore()
    self_metrics = SelfMetrics(__version__, revision(), store)
    with prepared(config.state_path) as state:
        self_metrics.show_state(state.sizes)
        scheduler = Scheduler(config.bounds.workers)
        self_metrics.watch(scheduler.workers.most, lambda: scheduler.workers.busy, lambda: scheduler.overdue)
        shared = Shared(state, store, self_metrics, scheduler.runner, request_limits(config.bounds))
        pipelines = [account_pipeline(account, sources(), shared) for account in config.accounts]
        pollers = [poller for pipeline in pipelines for poller in pipeline.pollers]
        for poller in pollers:
            poller.restore()
            poller.continue_output()
        _poll_all(pollers, scheduler.engine)
        exposition = Exposition(store, catalog(families()), self_metrics.registry)
        try:
            _write(args.output, b"".join(exposition.render().chunks))
        except OutputError:
            raise
        except OSError as error:
            printer.problem(f"cannot write {args.output}: {error.strerror}")
            return False
        for poller in pollers:
            poller.written()
    return all(poller.status.up for poller in pollers)


def _problem(output: Path) -> str | None:
    """Return why the output can't be replaced as a whole; None if it can. A device must not become a file."""
    if output.is_dir():
        return "it is a folder; add the name of a file in it"
    if not output.parent.is_dir():
        return "there is no such folder"
    special = any(output.absolute().is_relative_to(folder) for folder in ("/dev", "/proc"))
    if special or (output.exists() and not output.is_file()):
        return "it is not a regular file; leave --output out to print the metrics"
    return None


def _poll_all(pollers: list[Poller], engine: Engine) -> None:
    with (
        tqdm(total=len(pollers), bar_format=_BAR, leave=False, disable=not sys.stderr.isatty()) as bar,
        logging_redirect_tqdm(),
    ):
        # Only once the log is redirected: two handlers that write at the same time would share a line.
        engine.start()
        left = {engine.submit(poller.id, poller.poll) for poller in pollers}
        while left:
            done, left = concurrent.futures.wait(left, _REFRESH_SECONDS)
            bar.n += len(done)
            bar.set_postfix(records=sum(poller.status.finished + poller.status.in_flight for poller in pollers))
    engine.stop(_REFRESH_SECONDS)


def _write(output: Path | None, text: bytes) -> None:
    if output is not None:
        atomic_write(output, [text])
        return
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
