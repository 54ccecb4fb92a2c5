"""`python -m tools.chaos SECONDS [SEED]`: random faults of replicas, one after another; `make chaos` runs it.

Each round of some two minutes has a database of its own, and a seed that repeats its choices, though not the moments at
which processes act. The report goes to build/chaos. The exit status is 1 if a promise was broken.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.support.random_faults import Report, Walk
from tests.support.replicas import stage

ROUND_SECONDS = 120.0
FOLDER = Path("build/chaos")


def main(arguments: list[str]) -> int:
    seconds = float(arguments[0])
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns() % 1_000_000
    FOLDER.mkdir(parents=True, exist_ok=True)
    report, until, rounds = Report(), time.monotonic() + seconds, 0
    while not report.violations and (left := until - time.monotonic()) > 0:
        report.add(play(seed + rounds, min(left, ROUND_SECONDS)))
        rounds += 1
        print(f"round {rounds}: {report.actions.total()} actions, {report.takeovers} owners, {report.events} events")
    last = seed + max(0, rounds - 1)
    text = f"seconds: {seconds:g}\nseed: {seed}, of the last of {rounds} rounds {last}\n{report.text()}\n"
    (FOLDER / "report.txt").write_text(text)
    print(text)
    return 1 if report.violations else 0


def play(seed: int, seconds: float) -> Report:
    """Play one round. The logs of its replicas stay where a promise is broken."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with stage(folder, seed=seed) as made:
        report = Walk(made, random.Random(seed)).run(seconds)
    if report.violations:
        report.violations.append(f"logs: {folder}")
    else:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
