"""What a soak has come to, as text and as JSON."""

import dataclasses
import json
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.soak.flatness import Fit, Sample
from tests.support.walk import listed

_MESSAGE = re.compile(r"\bmsg=(\"(?:[^\"\\]|\\.)*\"|\S+)")
_MOST_MESSAGES = 12


@dataclass
class Report:
    """What has happened, in numbers, and what was against the promises."""

    state: str
    seed: int
    seconds: float
    accounts: int
    actions: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failed_polls: Counter[str] = field(default_factory=Counter)
    """By reason, as Prometheus has seen them rise."""
    processes: int = 0
    scrapes: int = 0
    series: int = 0
    """Lines of the last scrape."""
    events: int = 0
    judged: int = 0
    """How often all gauges and counters were compared with the worlds, and were right."""
    settled: list[float] = field(default_factory=list)
    """After how many seconds they were right, each time that faults had ended."""
    cpu: float = 0.0
    lines: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    """Of the second half."""
    fits: list[Fit] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    """What happened when, in seconds since the beginning."""
    violations: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def note(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self.began:8.2f} {what}")

    def count(self, log: Iterable[str]) -> None:
        """Count the lines of a log."""
        for line in log:
            self.lines += 1
            if found := _MESSAGE.search(line):
                self.messages[found[1].strip('"')[:80]] += 1

    def text(self) -> str:
        settled = ", ".join(f"{seconds:.0f}" for seconds in self.settled)
        lines = [
            f"state: {self.state}; seed {self.seed}, {self.seconds:g} s, {self.accounts} accounts",
            f"actions: {listed(self.actions)}",
            f"faults of the API: {listed(self.faults)}",
            f"failed polls: {listed(self.failed_polls)}",
            f"processes: {self.processes}, with {self.cpu:.0f} CPU seconds",
            f"scrapes: {self.scrapes}, the last with {self.series} lines",
            f"events: {self.events}; {self.judged} times all was right, after {settled} s",
            f"log: {self.lines} lines, most often "
            + ", ".join(f"{message} {count}" for message, count in self.messages.most_common(_MOST_MESSAGES)),
            *(fit.text() for fit in self.fits),
            f"violations: {len(self.violations)}",
        ]
        return "\n".join([*lines, *self.violations, *(self.story if self.violations else ())])

    def write(self, folder: Path) -> None:
        """Write it into a folder, as text and as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.state}.txt").write_text(self.text() + "\n")
        # Not dataclasses.asdict: of a Counter it makes another, which counts pairs.
        content = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        content["fits"] = [dataclasses.asdict(found) for found in self.fits]
        content["samples"] = [sample._asdict() for sample in self.samples]
        (folder / f"{self.state}.json").write_text(json.dumps(content, indent=1) + "\n")
