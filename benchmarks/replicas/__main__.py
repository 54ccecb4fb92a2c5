"""`python -m benchmarks.replicas`: measure replicas that share PostgreSQL beside one process with SQLite."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.replicas.backfill import backfills
from benchmarks.replicas.database import serving
from benchmarks.replicas.handover import Moved, handover, takeover
from benchmarks.replicas.quiet import Settings, with_postgres, with_sqlite
from benchmarks.replicas.table import BACKFILL, HANDOVER, MOVED, QUIET, TAKEOVER, Results, quiet_name, tables
from benchmarks.report import write
from tests.support.postgres import Server

COMMAND = "python -m benchmarks.replicas"
_PROGRAM = Path(sys.executable).parent / "batch-exporter"


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    results: Results = json.loads(given.results.read_text()) if given.results.exists() else {}
    with serving() as server:
        for kind, name, work in _works(given, server):
            print(f"{name} …", file=sys.stderr)
            folder = Path(tempfile.mkdtemp(prefix="batch-exporter-bench-"))
            results.setdefault(kind, {}).update(work(folder))
            # The folder is kept after an error: its logs have the reason.
            shutil.rmtree(folder)
            given.results.parent.mkdir(parents=True, exist_ok=True)
            given.results.write_text(json.dumps(results, indent=2) + "\n")
    text = tables(results, COMMAND)
    print(text)
    if given.write:
        write(text, COMMAND)


_Work = tuple[str, str, Callable[[Path], dict[str, Any]]]


def _works(given: argparse.Namespace, server: Server) -> Sequence[_Work]:
    """Return what to measure: the table it belongs to, its name, and a function of a folder that measures it."""
    settings = Settings(0, given.records, given.interval, given.seconds, given.ready_within)
    works: list[_Work] = []

    def quiet(accounts: int, replicas: int) -> None:
        own, name = replace(settings, accounts=accounts), quiet_name(accounts, given.records, replicas)

        def work(folder: Path) -> dict[str, Any]:
            if replicas:
                return {name: asdict(with_postgres(_PROGRAM, own, replicas, server, folder))}
            return {name: asdict(with_sqlite(_PROGRAM, own, folder))}

        works.append((QUIET, name, work))

    for accounts in given.accounts:
        for replicas in given.replicas:
            quiet(accounts, replicas)
    if given.moved:
        own = replace(settings, accounts=given.moved, interval=given.moved_interval)
        for name, measure in ((TAKEOVER, takeover), (HANDOVER, handover)):
            works.append((MOVED, name, partial(_moved, name, partial(measure, _PROGRAM, own, server), given.rounds)))
    if given.backfill:
        long = replace(settings, accounts=1, records=given.backfill)
        works.append((BACKFILL, "backfill", lambda to: _json(backfills(_PROGRAM, long, given.rounds, server, to))))
    return works


def _moved(name: str, measure: Callable[[Path], Moved], rounds: int, folder: Path) -> dict[str, Any]:
    return {name: [asdict(measure(folder / f"{number}")) for number in range(rounds)]}


def _json(found: Any) -> dict[str, Any]:
    return {name: asdict(each) for name, each in found.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    add = parser.add_argument
    add("--accounts", nargs="*", type=int, default=[300, 1000], metavar="N", help="numbers of accounts (300 1000)")
    add(
        "--replicas",
        nargs="*",
        type=int,
        default=[0, 1, 2, 4],
        metavar="N",
        help="numbers of replicas; 0 is one process with SQLite (0 1 2 4)",
    )
    add("--records", type=int, default=150, help="records of each account (150)")
    add("--seconds", type=float, default=60.0, help="how long quiet polls are measured (60)")
    add("--interval", type=float, default=60.0, help="poll_interval of quiet accounts, in seconds (60)")
    add("--ready-within", type=float, default=600.0, help="seconds until all accounts are polled and exposed (600)")
    add("--moved", type=int, default=200, metavar="N", help="accounts for takeover and handover; 0 for neither (200)")
    add("--moved-interval", type=float, default=5.0, help="their poll_interval, in seconds (5)")
    add("--backfill", type=int, default=50_000, metavar="N", help="records to read; 0 for no backfill (50000)")
    add("--rounds", type=int, default=3, help="how often all but quiet polls is measured (3)")
    add(
        "--results",
        type=Path,
        default=Path("build/benchmark-replicas.json"),
        help="JSON file of results: those in it that are not measured again stay in the tables",
    )
    add("--write", action="store_true", help="write the tables into docs/performance.md")
    return parser


if __name__ == "__main__":
    main()
