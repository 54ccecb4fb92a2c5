"""`python -m tools.paging_times`: the seconds from a change in an API to the page, as tables in docs/end-to-end.md.

It takes half an hour: with the intervals of the examples a page ends a quarter of an hour after it came.
"""

import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from exporter.config.durations import parse
from tests.support.chain import Chain, apis, chain
from tests.support.e2e_intervals import QUICK, Account, Intervals, of_the_examples
from tests.support.happenings import KINDS, Kind, Sample
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "end-to-end.md"
BEGIN = "<!-- what `python -m tools.paging_times` has measured: do not edit -->\n"
END = "<!-- end of what `python -m tools.paging_times` has measured -->\n"
EACH = 10
KILLS = 3
_HEAD = (
    "what happens",
    "the exporter",
    "times",
    "seconds to the page: median",
    "slowest",
    "at most",
    "to its end: median",
    "slowest",
)
_ONCE_AND_OVER = ["firing", "resolved"]
_HALF_AN_HOUR = 1800.0


def main() -> None:
    text = "\n".join(_measured(intervals) for intervals in (of_the_examples(), QUICK))
    print(text)
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{PAGE} has no place for the tables: it must stand between {BEGIN!r} and {END!r}")
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _measured(intervals: Intervals) -> str:
    """Return the table of one set of intervals."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-exporter-e2e-")))
        samples = [
            Sample(kind, f"account-{number}", stack.enter_context(apis()), killed)
            for number, (kind, killed) in enumerate((kind, killed) for kind in KINDS for killed in (False, True) * EACH)
        ]
        accounts = [
            Account(sample.account, sample.kind.system, sample.kind.collector, sample.apis.mock_api.url)
            for sample in samples
        ]
        made = stack.enter_context(chain(folder, accounts, intervals))
        for killed in (False, True):
            _happen(made, intervals, [sample for sample in samples if sample.killed is killed], KILLS if killed else 0)
        made.until(
            lambda: all(sample.pages(made.pager)[1:] for sample in samples), "the end of all pages", _HALF_AN_HOUR
        )
        for sample in samples:
            assert [page.status for page in sample.pages(made.pager)] == _ONCE_AND_OVER, sample
        rows = [
            _row(
                made, intervals, kind, [sample for sample in samples if sample.kind is kind and sample.killed is killed]
            )
            for kind in KINDS
            for killed in (False, True)
        ]
        return _table(intervals, [*rows, _down(made, intervals)])


def _happen(made: Chain, intervals: Intervals, samples: Sequence[Sample], kills: int) -> None:
    """Let everything happen at random moments of one poll's interval, and wait for the pages."""
    poll = parse(intervals.poll)
    # What is in flight must have been seen before.
    start = time.time() + 2 * poll + parse(intervals.scrape)
    for sample in samples:
        sample.began = start + random.random() * poll
        sample.before(intervals.too_long_seconds)
    for at, todo in sorted(
        [(sample.began, sample) for sample in samples] + [(start + random.random() * poll, None) for _ in range(kills)],
        key=lambda planned: planned[0],
    ):
        threading.Event().wait(max(0.0, at - time.time()))
        if todo is None:
            made.exporter.kill()
            made.exporter.start()
        else:
            todo.happen()
    made.until(lambda: all(sample.pages(made.pager) for sample in samples), "all pages", _HALF_AN_HOUR)
    for sample in samples:
        sample.finish()


def _row(made: Chain, intervals: Intervals, kind: Kind, samples: Sequence[Sample]) -> tuple[str, ...]:
    pages = [sample.pages(made.pager) for sample in samples]
    came = [first.at - sample.began for sample, (first, _) in zip(samples, pages, strict=True)]
    ended = [last.at - sample.ended for sample, (_, last) in zip(samples, pages, strict=True)]
    away, bound = ("killed meanwhile", "") if samples[0].killed else ("runs", f"{_bound(intervals, kind.polls):.1f}")
    return (kind.what, away, str(len(samples)), *_spread(came), bound, *_spread(ended))


def _bound(intervals: Intervals, polls: int) -> float:
    """Return the seconds that the intervals add up to if each begins just too late."""
    looks = (intervals.scrape, intervals.evaluation, intervals.group_wait)
    return polls * parse(intervals.poll) + sum(map(parse, looks))


def _down(made: Chain, intervals: Intervals) -> tuple[str, ...]:
    """Return the row of an exporter that is down: how long until it is missed, and until that is over."""
    began = time.time()
    made.exporter.kill()
    page = made.until(lambda: made.pager.pages("BatchExporterDown"), "the page of the exporter", _HALF_AN_HOUR)[0]
    ended = time.time()
    made.exporter.start()
    last = made.until(lambda: made.pager.pages("BatchExporterDown")[1:], "its end", _HALF_AN_HOUR)[0]
    came, over = f"{page.at - began:.1f}", f"{last.at - ended:.1f}"
    return ("the exporter is down", "killed for good", "1", came, came, "", over, over)


def _spread(measured: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(measured):.1f}", f"{max(measured):.1f}"


def _table(intervals: Intervals, rows: Sequence[Sequence[str]]) -> str:
    used = (
        f"`poll_interval` {intervals.poll}, `scrape_interval` {intervals.scrape}, `evaluation_interval`"
        f" {intervals.evaluation}, `group_wait` {intervals.group_wait}, `group_interval` {intervals.group_interval}"
    )
    lines = [_HEAD, ("---",) * 2 + ("---:",) * 6, *rows]
    return f"With {used}:\n\n" + "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    main()
