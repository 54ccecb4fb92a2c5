"""`python -m tools.soak SECONDS [SEED [STATE…]]`: the program for long, under faults of all kinds. `make soak` runs it.

The kinds of state, or those that are named, share the time. A seed repeats the choices, though not the moments at which
processes act. The report goes to build/soak. The exit status is 1 if a promise was broken, or if what the program uses
grows.
"""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.support.soak.configuration import Plan
from tests.support.soak.run import soak
from tests.support.soak.stores import STORES

FOLDER = Path("build/soak")


def plan(seconds: float) -> Plan:
    """Return the plan of a long soak."""
    return Plan(
        seconds,
        accounts=200,
        poll_interval=10.0,
        scrape_interval=10.0,
        round=min(120.0, seconds / 4),
        records=20,
        patience=600.0,
        workers=64,
        lease_ttl=20.0,
    )


def main(arguments: list[str]) -> int:
    # So that all that was started ends, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seconds = float(arguments[0])
    seed = int(arguments[1]) if len(arguments) > 1 else time.time_ns() % 1_000_000
    states = arguments[2:] or list(STORES)
    wrong = False
    for number, state in enumerate(states):
        folder = Path(tempfile.mkdtemp(prefix=f"soak-{state}-"))
        report = soak(state, plan(seconds / len(states)), seed + number, folder)
        if report.violations:
            wrong = True
            report.violations.append(f"logs: {folder}")
        else:
            shutil.rmtree(folder)
        report.write(FOLDER)
        print(report.text(), end="\n\n", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
