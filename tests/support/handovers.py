"""The promises of replicas, checked over what was scraped from all of them and who owned which account when. Pure.

Times are epoch seconds of one machine, the database's included. What a scrape shows was true at some moment from its
start to its end.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Values = Mapping[str, float]
"""The values of counters, by series with its labels."""

COUNTERS = re.compile(r"^((?:inkit|packagex)_\w+_(?:total|bucket|count|sum)|batch_exporter_records_\w+_total)\{")
"""The counters that the state keeps. Those about requests of a process begin at 0 in each."""
_ACCOUNT = re.compile(r'^\w+\{(?:.*,)?account="([^"]*)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answered scrape of one process."""

    start: float
    end: float
    process: str
    accounts: Mapping[str, Values]
    """The accounts exposed, with their counters."""


class LeaseChange(NamedTuple):
    """What a change of the table of leases wrote: a new owner, or none."""

    at: float
    account: str
    epoch: int
    holder: str | None


class Term(NamedTuple):
    """The time in which one process owned an account."""

    epoch: int
    process: str
    since: float
    until: float


def accounts_in(page: str) -> dict[str, Values]:
    """Return the accounts that a page exposes, each with its counters."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for line in page.splitlines():
        if account := _ACCOUNT.match(line):
            values = found[account[1]]
            if COUNTERS.match(line):
                series, _, value = line.rpartition(" ")
                values[series] = float(value)
    return dict(found)


def terms(changes: Iterable[LeaseChange], processes: Mapping[str, str]) -> dict[str, list[Term]]:
    """Return who owned each account when. `processes` names the process of each holder."""
    found: dict[str, list[Term]] = defaultdict(list)
    for change in sorted(changes):
        known = found[change.account]
        if known and known[-1].until == math.inf:
            known[-1] = known[-1]._replace(until=change.at)
        if change.holder is not None:
            process = processes.get(change.holder, change.holder)
            known.append(Term(change.epoch, process, change.at, math.inf))
    return dict(found)


def violations(scrapes: Sequence[Scrape], owned: Mapping[str, Sequence[Term]]) -> list[str]:
    """Return what is against the promises, in words."""
    found = [*_epochs(owned)]
    for account in sorted({account for scrape in scrapes for account in scrape.accounts} | set(owned)):
        seen = sorted((s for s in scrapes if account in s.accounts), key=lambda scrape: (scrape.start, scrape.end))
        found += _owners(account, seen, owned.get(account, ()))
        found += _order(account, seen, owned.get(account, ()))
        found += _falls(account, seen)
    return found


def _epochs(owned: Mapping[str, Sequence[Term]]) -> Iterator[str]:
    """Yield a violation for each new owner whose epoch is not higher than all before."""
    for account, held in owned.items():
        for before, after in pairwise(held):
            if after.epoch <= before.epoch:
                yield f"{account}: {after.process} owns it with epoch {after.epoch} after {before.epoch}"


def _possible(scrape: Scrape, held: Sequence[Term]) -> list[int]:
    """Return the epochs with which the process may have exposed the account."""
    return [
        term.epoch
        for term in held
        if term.process == scrape.process and term.since <= scrape.end and scrape.start <= term.until
    ]


def _owners(account: str, seen: Sequence[Scrape], held: Sequence[Term]) -> Iterator[str]:
    """Yield a violation for each scrape that exposes an account which its process owned at no moment of the scrape.

    Without such a scrape, no two processes expose an account at the same moment.
    """
    for scrape in seen:
        if not _possible(scrape, held):
            yield (
                f"{account}: exposed by {scrape.process} from {scrape.start:.3f} to {scrape.end:.3f}, which does not "
                f"own it then: {_near(scrape, held)}"
            )


def _near(scrape: Scrape, held: Sequence[Term]) -> str:
    near = sorted(held, key=lambda term: max(term.since - scrape.end, scrape.start - term.until))[:3]
    return ", ".join(f"{t.process} epoch {t.epoch} {t.since:.3f}-{t.until:.3f}" for t in sorted(near)) or "nobody"


def _order(account: str, seen: Sequence[Scrape], held: Sequence[Term]) -> Iterator[str]:
    """Yield a violation for each older epoch exposed by a scrape that begins after one with a newer epoch has ended."""
    ended = sorted(seen, key=lambda scrape: scrape.end)
    newest, place = 0, 0
    for scrape in seen:
        while place < len(ended) and ended[place].end < scrape.start:
            newest = max(newest, min(_possible(ended[place], held), default=0))
            place += 1
        highest = max(_possible(scrape, held), default=newest)
        if highest < newest:
            yield f"{account}: {scrape.process} exposes epoch {highest} at {scrape.start:.3f}, after {newest}"


def _falls(account: str, seen: Sequence[Scrape]) -> Iterator[str]:
    """Yield a violation for each counter that does not begin at 0, or falls between scrapes, whoever exposes it.

    A counter may be absent for a moment, while it is read from the state: Prometheus sees a gap, and no rise in it.
    """
    ended = sorted(seen, key=lambda scrape: scrape.end)
    yield from _beginnings(account, ended)
    highest: dict[str, tuple[float, Scrape]] = {}
    place = 0
    for scrape in seen:
        while place < len(ended) and ended[place].end < scrape.start:
            for series, value in ended[place].accounts[account].items():
                if value >= highest.get(series, (-math.inf,))[0]:
                    highest[series] = (value, ended[place])
            place += 1
        yield from _fallen(account, scrape, highest)


def _beginnings(account: str, ended: Sequence[Scrape]) -> Iterator[str]:
    first: dict[str, Scrape] = {}
    lowest: dict[str, float] = {}
    for scrape in ended:
        for series, value in scrape.accounts[account].items():
            if scrape.start <= first.setdefault(series, scrape).end:
                lowest[series] = min(value, lowest.get(series, value))
    for series, value in lowest.items():
        if value:
            yield f"{account}: {series} begins at {value:g} at {first[series].end:.3f} in {first[series].process}"


def _fallen(account: str, scrape: Scrape, highest: Mapping[str, tuple[float, Scrape]]) -> Iterator[str]:
    for series, now in scrape.accounts[account].items():
        value, before = highest.get(series, (0.0, scrape))
        if now < value:
            yield (
                f"{account}: {series} is {now:g} at {scrape.start:.3f} in {scrape.process}, after {value:g} at "
                f"{before.end:.3f} in {before.process}"
            )


def differences(expected: Mapping[str, Counter[str]], found: Mapping[str, Counter[str]]) -> list[str]:
    """Return what was counted too often or not at all, by account."""
    problems = []
    for account in sorted(expected.keys() | found.keys()):
        right, counted = expected.get(account, Counter()), found.get(account, Counter())
        problems += [
            f"{account}: {key} is {counted[key]}, and {right[key]} have happened"
            for key in sorted(right.keys() | counted.keys())
            if right[key] != counted[key]
        ]
    return problems
