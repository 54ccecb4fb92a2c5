"""`batch-exporter state show`: show what a state holds, also while an exporter uses it."""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.cli.flags import UsageError
from exporter.cli.load_config import configuration
from exporter.cli.printing import Printer, columns
from exporter.cli.state.places import Place, configured, place, warn_of_password
from exporter.config.schema import State
from exporter.model.iso_time import format_iso_time
from exporter.state.overview import CollectorOverview, Overview
from exporter.state.sqlite.overview import overview as of_file

_DEFAULT_PATH = Path(str(State.model_fields["path"].default))
_HEADS = ("ACCOUNT", "COLLECTOR", "IN FLIGHT", "FINISHED", "DELETED", "SERIES", "FAILURES", "LAST POLL")

_GONE = "gone: it did not leave, and its last heartbeat has expired; live replicas take over the accounts that it has"


def run(args: argparse.Namespace) -> bool:
    """Print the collectors, the size and, of a database, the replicas. Raises UsageError, ConfigError, StateError."""
    if args.place is not None and args.config_file is not None:
        raise UsageError("give PLACE or --config.file, not both")
    if args.place is not None:
        warn_of_password(Printer(args.log_format), args.place)
    found = _overview(_place(args))
    print(json.dumps(document(found), indent=2) if args.json else "\n".join(lines(found, time.time())))
    return True


def _place(args: argparse.Namespace) -> Place:
    """Return PLACE, that of the configuration, or without both the default path: no token is needed to look."""
    if args.place is not None:
        return place("PLACE", args.place)
    if args.config_file is None:
        return _DEFAULT_PATH
    return configured(configuration(args))


def _overview(at: Place) -> Overview:
    if isinstance(at, Path):
        return of_file(at)
    from exporter.state.postgres.overview import overview as of_database

    return of_database(at.read, at.shown())


def document(overview: Overview) -> dict[str, object]:
    """Return the overview as JSON has it. A file has no replicas and owners: their keys are missing."""
    collectors = [
        {
            "account": each.account,
            "collector": each.collector,
            "in_flight": each.in_flight,
            "finished": each.finished,
            "deleted": each.deleted,
            "series": each.series,
            "failures": each.failures,
            "last_poll": None if each.last_poll is None else format_iso_time(each.last_poll),
            **({} if overview.replicas is None else {"owner": each.owner}),
        }
        for each in overview.collectors
    ]
    found = {"state": overview.place, "schema": overview.schema, "bytes": overview.bytes, "collectors": collectors}
    if overview.replicas is None:
        return found
    replicas = [
        {"name": each.holder, "live": each.live, "leaving": each.leaving, "accounts": each.accounts}
        for each in overview.replicas
    ]
    return {**found, "replicas": replicas, "unowned": list(overview.unowned)}


def lines(overview: Overview, now: float) -> Iterator[str]:
    """Yield the lines of the overview for people. `now` is in epoch seconds."""
    yield f"{overview.place}: schema {overview.schema}, {_size(overview.bytes)}"
    yield ""
    if overview.collectors:
        shared = overview.replicas is not None
        rows = [(*_HEADS, *(("OWNER",) if shared else ()))]
        rows += [(*_cells(each, now), *((each.owner or "none",) if shared else ())) for each in overview.collectors]
        yield from columns(rows, numbers=range(2, 7))
    else:
        yield "no collector has been polled yet"
    if overview.replicas is not None:
        yield ""
        yield from _replicas(overview)


def _replicas(overview: Overview) -> Iterator[str]:
    if overview.replicas:
        rows = [("REPLICA", "STATUS", "ACCOUNTS")]
        for each in overview.replicas:
            status = "gone" if not each.live else "leaving" if each.leaving else "live"
            rows.append((each.holder, status, f"{each.accounts:,}"))
        yield from columns(rows, numbers=(2,))
        if not all(each.live for each in overview.replicas):
            yield _GONE
    else:
        yield "no replica is live"
    if overview.unowned:
        yield f"unowned accounts: {', '.join(overview.unowned)}"


def _cells(each: CollectorOverview, now: float) -> tuple[str, ...]:
    counts = (each.in_flight, each.finished, each.deleted, each.series, each.failures)
    if each.last_poll is None:
        last = "never"
    else:
        last = f"{format_iso_time(each.last_poll)} ({max(0, round(now - each.last_poll)):,} s ago)"
    return (each.account, each.collector, *(f"{count:,}" for count in counts), last)


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
