"""`python -m benchmarks.storm`: measure one or more versions of the exporter under a storm of scrapes."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accounts.__main__ import labeled
from benchmarks.report import write
from benchmarks.storm.measure import Sizes, measure
from benchmarks.storm.table import Results, table

COMMAND = "python -m benchmarks.storm"
_PROGRAM = Path(sys.executable).parent / "batch-exporter"


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    sizes = Sizes(accounts=given.accounts, seconds=given.seconds, rounds=given.rounds, ready_within=given.ready_within)
    results: Results = {}
    for label, program in dict(given.exporter or [("this version", _PROGRAM)]).items():
        folder = Path(tempfile.mkdtemp(prefix="batch-exporter-bench-"))
        _tell(label)
        results[label] = dict(measure(program, sizes, folder, _tell).to_json())
        # The folder is kept after an error: its log has the reason.
        shutil.rmtree(folder)
    text = table(json.loads(json.dumps(results)), COMMAND)
    print(text)
    if given.write:
        write(text, COMMAND)


def _tell(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    default = Sizes()
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    add = parser.add_argument
    add("--accounts", type=int, default=default.accounts, metavar="N", help="accounts of 323 series each (%(default)s)")
    add("--seconds", type=float, default=default.seconds, help="how long each load is measured at a time (%(default)s)")
    add("--ready-within", type=float, default=default.ready_within, help="seconds to wait for readiness (%(default)s)")
    add("--rounds", type=int, default=default.rounds, help="how often each load is measured (%(default)s)")
    add(
        "--exporter",
        action="append",
        type=labeled,
        metavar="[LABEL=]PATH",
        help="a program to measure, such as `before=../before/.venv/bin/batch-exporter`; repeatable; this checkout's",
    )
    add("--write", action="store_true", help="write the table into docs/performance.md")
    return parser


if __name__ == "__main__":
    main()
