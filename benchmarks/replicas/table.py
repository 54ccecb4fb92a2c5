"""The tables of docs/performance.md, from results as they are kept in JSON. Nothing is measured here."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.replicas.backfill import DELAYED, LOOPBACK, SQLITE
from benchmarks.report import mebibytes, milliseconds, number, software

Results = dict[str, dict[str, Any]]
"""QUIET: Quiet in JSON by `quiet_name`. MOVED: some of Moved by TAKEOVER and HANDOVER. BACKFILL: Backfills by state."""

QUIET, MOVED, BACKFILL = "quiet", "moved", "backfill"
TAKEOVER, HANDOVER = "takeover", "handover"
_WANTED_SPEED = {SQLITE: "", LOOPBACK: "at least half of SQLite's", DELAYED: "at least a third of SQLite's"}


def quiet_name(accounts: int, records: int, replicas: int) -> str:
    """Return what a result is kept under; no replica is one process with SQLite."""
    return f"{accounts} accounts with {records} records, {replicas} replicas"


def tables(results: Results, command: str) -> str:
    """Return the tables in Markdown, and what must be known of the run."""
    found = [_quiet(results.get(QUIET, {})), _moved(results.get(MOVED, {})), _backfill(results.get(BACKFILL, {}))]
    text = "\n".join(_markdown(lines) for lines in found if len(lines) > 1)
    return (
        f"Measured with `{command}` on {software()}; other programs ran beside: CPU times and counts are what to go by."
        f"\n\n{text}"
    )


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [head, ["---"] * len(head), *rest])


def _quiet(results: Mapping[str, Mapping[str, Any]]) -> Sequence[Sequence[str]]:
    replicas = sorted({_replicas(name) for name in results})
    lines = [["accounts", "figure", *map(_column, replicas), "wanted"]]
    sizes = {(result["settings"]["accounts"], result["settings"]["records"]) for result in results.values()}
    for accounts, records in sorted(sizes):
        some = [results.get(quiet_name(accounts, records, each)) for each in replicas]
        interval = next(result["settings"]["interval"] for result in some if result)
        where = f"{number(accounts)} with {number(records)} records, polled every {interval:g} s"
        for name, show, wanted in _FIGURES:
            lines.append([where, name, *(show(result) if result else "" for result in some), wanted])
    return lines


def _replicas(name: str) -> int:
    return int(name.rpartition(", ")[2].split()[0])


def _column(replicas: int) -> str:
    return "SQLite, one process" if not replicas else f"PostgreSQL, {replicas} replica{'s' * (replicas > 1)}"


def _polls(result: Mapping[str, Any]) -> str:
    return f"{result['polls']:.1f}, {result['on_time']:.1%} on time"


def _late(result: Mapping[str, Any]) -> str:
    return ", ".join(_seconds(result[f"late_{which}"]) for which in ("p50", "p99", "max"))


def _of_database(show: Callable[[Mapping[str, Any]], str]) -> Callable[[Mapping[str, Any]], str]:
    return lambda result: show(result["database"]) if result["database"] else ""


_FIGURES: Sequence[tuple[str, Callable[[Mapping[str, Any]], str], str]] = (
    ("polls a second", _polls, ""),
    ("lateness, p50, p99 and most", _late, "less than an interval"),
    ("CPU of the exporters for a poll", lambda result: milliseconds(result["cpu"]), ""),
    ("CPU of the database for a poll", _of_database(lambda cost: milliseconds(cost["cpu"])), ""),
    ("round trips of a poll", _of_database(lambda cost: f"{cost['round_trips']:.2f}"), "at most 2"),
    ("WAL of a poll", _of_database(lambda cost: f"{number(cost['wal'])} B"), ""),
    ("ticks a second", _of_database(lambda cost: f"{cost['ticks']:.1f}"), ""),
    ("size of the database", _of_database(lambda cost: mebibytes(cost["size"])), ""),
    ("memory of the largest exporter", lambda result: mebibytes(result["memory"]), ""),
)
"""What it is, how it is shown, and what is wanted."""


def _moved(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sequence[Sequence[str]]:
    lines = [["figure", "where", "measured", "wanted"]]
    names = (
        (TAKEOVER, "takeover after kill -9", "at most 22 s: TTL 20 s, two ticks", ""),
        (HANDOVER, "handover at SIGTERM", "about 1 s", "none"),
    )
    for key, name, wanted, lost_wanted in names:
        if runs := results.get(key):
            settings = runs[0]["settings"]
            accounts = f"{number(runs[0]['accounts'])} of {number(settings['accounts'])} accounts"
            where = f"{accounts}, polled every {settings['interval']:g} s, {len(runs)} times"
            lost, polls = (sum(run[count] for run in runs) for count in ("lost", "polls"))
            latest = _seconds(max(run["late_max"] for run in runs))
            for figure, what, limit in (("seconds", "exposed", wanted), ("polled", "polled", "")):
                times = ", ".join(_seconds(run[figure]) for run in runs)
                lines.append([f"{name}, until all are {what} again", where, times, limit])
            shown = f"{number(lost)} of {number(polls)}, the latest by {latest}"
            lines.append([f"{name}, polls more than an interval late", where, shown, lost_wanted])
    return lines


def _backfill(results: Mapping[str, Mapping[str, Any]]) -> Sequence[Sequence[str]]:
    head = ["backfill", "records a second", "beside SQLite", "CPU of exporter", "CPU of database", "round trips"]
    lines = [[*head, "one round trip takes", "wanted"]]
    for where, result in results.items():
        times = results[SQLITE]["speeds"]
        share = statistics.median(ours / theirs for ours, theirs in zip(result["speeds"], times, strict=True))
        lines.append(
            [
                f"{number(result['records'])} records, {where}",
                number(statistics.median(result["speeds"])),
                f"{share:.2f}",
                _microseconds(result["cpu"]),
                _microseconds(result["database_cpu"]),
                "" if result["round_trips"] is None else number(result["round_trips"]),
                "" if result["round_trip_seconds"] is None else milliseconds(result["round_trip_seconds"]),
                _WANTED_SPEED[where],
            ]
        )
    return lines


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.0f} µs a record"


def _seconds(value: float) -> str:
    return milliseconds(value) if value < 1 else f"{value:.1f} s"
