"""`python -m benchmarks`: measure, print the tables, and keep them in docs/performance.md."""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from benchmarks import figures, publishing, scraping
from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.report import measured, write

SECTIONS = {"poll": figures.figures, "scrape": scraping.figures, "publish": publishing.figures}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("section", nargs="?", choices=SECTIONS, help="what to measure; by default all")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, in seconds; docs/performance.md stays as it is"
    )
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    for section in [given.section] if given.section else SECTIONS:
        with tempfile.TemporaryDirectory(prefix="batch-exporter-bench-") as folder:
            bench = Bench(QUICK if given.quick else Sizes(), Path(folder), tell=_tell)
            command = f"python -m benchmarks {section}"
            text = measured(list(SECTIONS[section](bench)), command + " --quick" * given.quick)
        print(text)
        if not given.quick:
            write(text, command)


def _tell(what: str) -> None:
    print(f"{what} …", file=sys.stderr)


if __name__ == "__main__":
    main()
