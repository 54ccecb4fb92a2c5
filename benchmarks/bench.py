"""Where and how much is measured: sizes, and processes to measure in. What is measured is not known here."""

import multiprocessing
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from benchmarks.world import Scene, Stage, staged
from exporter.demo.items import Kind

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. The defaults are those of docs/performance.md."""

    small: int = 10_000
    large: int = 1_000_000
    in_flight: int = 60
    among: int = 240
    """So many of the newest records have those in flight among them, at even distances."""
    backfill: int = 100_000
    late: int = 10_000
    """Records to read where each answer is late."""
    accounts: int = 1_000
    account_records: int = 300
    polls: int = 50
    rounds: int = 3
    """Of these, the median counts."""
    series: int = 100_000
    connections: int = 50
    crowd: int = 2_000
    """Accounts with three collectors each that publish."""
    hold_seconds: float = 2.0
    """How long scrapes are held against a server at a time."""
    scrape_rounds: int = 9


QUICK = Sizes(
    small=1_000,
    large=50_000,
    backfill=10_000,
    late=2_000,
    accounts=50,
    polls=10,
    rounds=1,
    series=10_000,
    crowd=200,
    hold_seconds=0.5,
    scrape_rounds=1,
)


def _nothing(what: str) -> None:
    """Report to nobody."""
    del what


@dataclass(frozen=True, slots=True)
class Bench:
    """Does the measuring. It uses up space in `folder`: a state file for each world."""

    sizes: Sizes
    folder: Path
    apart: bool = True
    """Everything in a process of its own; otherwise all in this one, to see only whether it works."""
    tell: Callable[[str], None] = _nothing
    """Called with what comes next: some of it takes a minute."""

    def stage(self, scenes: Mapping[Kind, Scene]) -> AbstractContextManager[Stage]:
        return staged(scenes, self.apart)

    def alone(self, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        """Return the result of `work`, which runs in a new process of its own if `apart`. Raises what `work` raises."""
        if not self.apart:
            return work(*given, **named)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(work, *given, **named).result()

    def empty_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))
