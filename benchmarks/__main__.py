"""`python -m benchmarks`: measure, print the table, and keep it in docs/performance.md."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.figures import figures
from benchmarks.report import measured, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, in seconds; docs/performance.md stays as it is"
    )
    quick = parser.parse_args().quick
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="batch-exporter-bench-") as folder:
        bench = Bench(QUICK if quick else Sizes(), Path(folder), tell=_tell)
        text = measured(list(figures(bench)), "python -m benchmarks --quick" if quick else "make bench")
    print(text)
    if not quick:
        write(text)


def _tell(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


if __name__ == "__main__":
    main()
