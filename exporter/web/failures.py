"""Which failed records a request asks for, and those as JSON. Pure; as a page for people: failures_page.py."""

import heapq
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.records import LAST_FAILURES
from exporter.snapshot import CollectorSnapshot, Failure
from exporter.web.page import iso
from exporter.web.runbooks import runbook

FILTERS = ("account", "collector", "destination")
"""The parameters that choose."""

MOST = 1000


class BadQuery(Exception):
    """A parameter has a value that can't be meant. The text says which, and what it may be."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for; what is empty is not asked for."""

    accounts: frozenset[str] = frozenset()
    collectors: frozenset[str] = frozenset()
    destinations: frozenset[str] = frozenset()
    """Or kinds of resource."""
    limit: int = LAST_FAILURES

    @classmethod
    def of(cls, parameters: Mapping[str, Sequence[str]]) -> "Query":
        """From a URL's parameters, each of which may come several times: any of its values is then meant."""
        accounts, collectors, places = (frozenset(parameters.get(one, ())) for one in FILTERS)
        return cls(accounts, collectors, places, _limit(parameters.get("limit", ())))

    def covers(self, collector: CollectorSnapshot) -> bool:
        """Is this one of the collectors that are asked for."""
        return _among(collector.account, self.accounts) and _among(collector.collector, self.collectors)


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed record and the collector that has it."""

    of: CollectorSnapshot
    what: Failure


@dataclass(frozen=True, slots=True)
class Chosen:
    """The answer to a query."""

    failed: Sequence[Failed]
    """The last ones, newest first."""
    matching: int
    """How many there are without the limit."""
    behind: Sequence[CollectorSnapshot]
    """Collectors whose polls fail: of theirs, some may be missing."""


def choose(collectors: Iterable[CollectorSnapshot], query: Query) -> Chosen:
    """The failed records that are asked for."""
    covered = [one for one in collectors if query.covers(one)]
    matching = [(one, _matching(one, query)) for one in covered]
    # Each collector's stand in this order already: of a thousand collectors only the first few are looked at.
    merged = heapq.merge(*(_of(*one) for one in matching), key=_order, reverse=True)
    count = sum(len(failures) for _, failures in matching)
    behind = [one for one in covered if one.health.up is False]
    return Chosen(list(itertools.islice(merged, query.limit)), count, behind)


def as_json(chosen: Chosen) -> bytes:
    """The failed records for programs."""
    behind = [{"account": one.account, "system": one.system, "collector": one.collector} for one in chosen.behind]
    answer = {"failures": [_row(one) for one in chosen.failed], "not_up_to_date": behind}
    return json.dumps(answer).encode()


def _row(one: Failed) -> dict[str, object]:
    return {
        "time": iso(one.what.at),
        "account": one.of.account,
        "system": one.of.system,
        "collector": one.of.collector,
        "id": one.what.record_id,
        "created": iso(one.what.created_at),
        "destinations": list(one.what.places),
        "statuses": list(one.what.statuses),
        "workflow": one.what.workflow,
        "alert": one.what.alert,
        "runbook_url": runbook(one.what.alert),
    }


def _matching(collector: CollectorSnapshot, query: Query) -> Sequence[Failure]:
    if not query.destinations:
        return collector.failures
    return [one for one in collector.failures if not query.destinations.isdisjoint(one.places)]


def _of(collector: CollectorSnapshot, failures: Iterable[Failure]) -> Iterator[Failed]:
    return (Failed(collector, one) for one in failures)


def _order(one: Failed) -> tuple[float, float]:
    return one.what.at, one.what.created_at


def _among(text: str, chosen: frozenset[str]) -> bool:
    return not chosen or text in chosen


def _limit(given: Sequence[str]) -> int:
    if not given:
        return LAST_FAILURES
    last = given[-1]
    if not (last.isascii() and last.isdecimal() and len(last) < 6 and 1 <= int(last) <= MOST):
        raise BadQuery(f"limit: expected a number from 1 to {MOST}")
    return int(last)
