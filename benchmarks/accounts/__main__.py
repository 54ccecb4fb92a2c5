"""`python -m benchmarks.accounts`: measure one or more versions of the exporter with many accounts, side by side."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accounts.measure import Times, measure
from benchmarks.accounts.scenarios import Scenario, fairness, many
from benchmarks.accounts.table import Results, table
from benchmarks.report import write

COMMAND = "python -m benchmarks.accounts"
_PROGRAM = Path(sys.executable).parent / "batch-exporter"


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    programs = dict(given.exporter or [("this version", _PROGRAM)])
    results: Results = json.loads(given.results.read_text()) if given.results.exists() else {}
    times = Times(given.seconds, given.pause, given.ready_within, given.scrape_interval)
    for scenario in _scenarios(given):
        for label, program in programs.items():
            print(f"{scenario.name}: {label} …", file=sys.stderr)
            results.setdefault(scenario.name, {})[label] = dict(_measured(program, scenario, times))
            given.results.parent.mkdir(parents=True, exist_ok=True)
            given.results.write_text(json.dumps(results, indent=2) + "\n")
    labels = list(dict.fromkeys(label for by_label in results.values() for label in by_label))
    text = table(results, labels, COMMAND)
    print(text)
    if given.write:
        write(text, COMMAND)


def _scenarios(given: argparse.Namespace) -> Sequence[Scenario]:
    accounts = [many(count, given.change, given.interval, pauses=given.pause > 0) for count in given.accounts]
    scenarios = [*accounts, *(fairness(given.change) if given.fairness else ())]
    return [scenario for scenario in scenarios if given.only in scenario.name]


def _measured(program: Path, scenario: Scenario, times: Times) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="batch-exporter-bench-"))
    result = measure(program, scenario, times, folder)
    # The folder is kept after an error: its log has the reason.
    shutil.rmtree(folder)
    return dict(result.to_json())


def labeled(value: str) -> tuple[str, Path]:
    label, found, path = value.rpartition("=")
    program = Path(path).resolve()
    if not program.is_file():
        raise argparse.ArgumentTypeError(f"{program} does not exist: name the batch-exporter of a checkout's .venv/bin")
    return label if found else path, program


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    add = parser.add_argument
    add("--accounts", nargs="*", type=int, default=[100, 500, 2000], metavar="N", help="numbers of accounts to measure")
    add("--fairness", action=argparse.BooleanOptionalAction, default=True, help="fast accounts beside slow ones, too")
    add("--only", default="", metavar="TEXT", help="only the scenarios whose names contain this")
    add("--seconds", type=float, default=60.0, help="how long each phase is measured (60)")
    add("--pause", type=float, default=60.0, help="how long the program is stopped; 0 for not at all (60)")
    add("--ready-within", type=float, default=180.0, help="seconds to wait for a program that is not ready (180)")
    add("--interval", type=float, default=60.0, help="poll_interval of the --accounts, in seconds (60)")
    add("--scrape-interval", type=float, default=15.0, help="seconds between two scrapes (15)")
    add("--change", type=float, default=0.1, metavar="SHARE", help="share of polls that find a new record (0.1)")
    add(
        "--exporter",
        action="append",
        type=labeled,
        metavar="[LABEL=]PATH",
        help="a program to measure, such as `before=../before/.venv/bin/batch-exporter`; repeatable; this checkout's",
    )
    add(
        "--results",
        type=Path,
        default=Path("build/benchmark-accounts.json"),
        help="JSON file of results: those in it that are not measured again stay in the table",
    )
    add("--write", action="store_true", help="write the table into docs/performance.md")
    return parser


if __name__ == "__main__":
    main()
