"""`python -m benchmarks.capacity`: how much one process bears on one core, and where the time goes."""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.accounts.__main__ import labeled
from benchmarks.accounts.api import Behavior, serving
from benchmarks.accounts.measure import REST, Result, Times, measure
from benchmarks.accounts.scenarios import FAST, many
from benchmarks.capacity import profile
from benchmarks.report import milliseconds, number, software, write
from benchmarks.world import KINDS

COMMAND = "python -m benchmarks.capacity"
_PROGRAM = Path(sys.executable).parent / "batch-exporter"
_CHANGES = {"nothing": 0.0, "a new record in each poll": 1.0}
"""The share of polls that find a new record."""
_DEFAULT_INTERVAL = 60.0


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    programs = dict(given.exporter or [("this version", _PROGRAM)])
    times = Times(given.seconds, pause=0.0, ready_within=given.ready_within, scrape_interval=given.scrape_interval)
    lines = [_HEAD, ["---"] * len(_HEAD)]
    for accounts in given.accounts:
        for what, change in _CHANGES.items():
            for label, program in programs.items():
                print(f"{accounts} accounts, {what}: {label} …", file=sys.stderr)
                scenario = many(accounts, change, given.interval, pauses=False)
                with tempfile.TemporaryDirectory(prefix="batch-exporter-bench-") as folder:
                    result = measure(program, scenario, times, Path(folder))
                lines.append(_row(accounts, what, label, result, given.interval))
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in [*lines])
    text = f"Measured with `{COMMAND}` on {software()}; other programs ran beside.\n\n{text}\n{_profile(given.polls)}"
    print(text)
    if given.write:
        write(text, COMMAND)


_HEAD = [
    "accounts",
    "changed between polls",
    "version",
    "polls a second, wanted and made",
    "CPU of a poll",
    "core, and others on it",
    "lateness, p50, p99 and most",
    "scrapes, p50 and p99",
    "accounts with an interval of 60 s on a whole core",
]


def _row(accounts: int, what: str, label: str, result: Result, interval: float) -> list[str]:
    rest = result.phases[REST]
    each = rest.cpu_per_poll
    return [
        number(accounts),
        what,
        label,
        f"{accounts * len(KINDS) / interval:.1f}, {rest.polls / rest.seconds:.1f}",
        milliseconds(each),
        f"{rest.core_share:.0%}, {rest.others_share:.0%}",
        ", ".join(f"{late:.1f} s" for late in (rest.lateness_p50, rest.lateness_p99, rest.lateness_max)),
        f"{milliseconds(rest.scrape_p50)}, {milliseconds(rest.scrape_p99)}",
        number(_DEFAULT_INTERVAL / each / len(KINDS)),
    ]


def _profile(polls: int) -> str:
    """Return the table of where the CPU time of polls goes."""
    shares: dict[str, Mapping[str, float]] = {}
    for what, change in _CHANGES.items():
        print(f"profile, {what} …", file=sys.stderr)
        with (
            serving({FAST: Behavior(change=change)}, os.sched_getaffinity(0)) as api,
            tempfile.TemporaryDirectory(prefix="batch-exporter-bench-") as folder,
            ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        ):
            shares[what] = pool.submit(profile.polls, f"{api.url}/{FAST}-0", Path(folder), polls).result()
    rooms = dict.fromkeys(room for each in shares.values() for room in each)
    lines = [["CPU of polls by room", *shares], ["---"] * (len(shares) + 1)]
    lines += [[f"`{room}`", *(f"{each.get(room, 0.0):.0%}" for each in shares.values())] for room in rooms]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    add = parser.add_argument
    add("--accounts", nargs="*", type=int, default=[50, 400], metavar="N", help="numbers of accounts to measure")
    add("--interval", type=float, default=10.0, help="poll_interval in seconds (%(default)s)")
    add("--seconds", type=float, default=30.0, help="how long each is measured (%(default)s)")
    add("--scrape-interval", type=float, default=5.0, help="seconds between two scrapes (%(default)s)")
    add("--ready-within", type=float, default=300.0, help="seconds to wait for readiness (%(default)s)")
    add("--polls", type=int, default=200, help="polls of each collector that are profiled (%(default)s)")
    add(
        "--exporter",
        action="append",
        type=labeled,
        metavar="[LABEL=]PATH",
        help="a program to measure, such as `before=../before/.venv/bin/batch-exporter`; repeatable; this checkout's",
    )
    add("--write", action="store_true", help="write the tables into docs/performance.md")
    return parser


if __name__ == "__main__":
    main()
