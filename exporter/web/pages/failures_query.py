"""Which failed records a request asks for, and those as JSON. Pure; as a page for people: failures_page.py."""

import difflib
import heapq
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.exposition.snapshot import CollectorSnapshot, Failure
from exporter.model.iso_time import iso_time
from exporter.model.record import LAST_FAILURES
from exporter.web.pages.runbooks import runbook

FILTERS = ("account", "collector", "destination")
"""The parameters that choose."""

PARAMETERS = (*FILTERS, "limit", "format")
"""All parameters."""

FORMATS = ("html", "json")
MOST = 1000


class BadQuery(Exception):
    """A parameter is unknown, or has a value that can't be meant. The text says what is expected.

    It never repeats what was asked: no answer does.
    """


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for; what is empty is not asked for."""

    accounts: frozenset[str] = frozenset()
    collectors: frozenset[str] = frozenset()
    destinations: frozenset[str] = frozenset()
    """Or kinds of resource."""
    limit: int = LAST_FAILURES
    format: str = ""
    """One of FORMATS, or "" to let the client's Accept header decide."""

    @classmethod
    def of(cls, parameters: Mapping[str, Sequence[str]]) -> "Query":
        """Read a URL's parameters. A filter may be repeated and matches any of its values; an empty value is no value.

        Raises BadQuery for an unknown parameter, also an empty one, and for a limit or format that can't be meant.
        """
        unknown = [one for one in parameters if one not in PARAMETERS]
        if unknown:
            raise BadQuery(_unknown(unknown))
        given = {name: [value for value in values if value] for name, values in parameters.items()}
        accounts, collectors, places = (frozenset(given.get(one, ())) for one in FILTERS)
        return cls(accounts, collectors, places, _limit(_single("limit", given)), _format(_single("format", given)))

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
    """Return the failed records for programs: one JSON object, and a newline as at the end of any text."""
    behind = [{"account": one.account, "system": one.system, "collector": one.collector} for one in chosen.behind]
    answer = {"failures": [_row(one) for one in chosen.failed], "not_up_to_date": behind}
    return f"{json.dumps(answer)}\n".encode()


def _row(one: Failed) -> dict[str, object]:
    return {
        "time": iso_time(one.what.at),
        "account": one.of.account,
        "system": one.of.system,
        "collector": one.of.collector,
        "id": one.what.record_id,
        "created": iso_time(one.what.created_at),
        "destinations": list(one.what.places),
        "statuses": list(one.what.statuses),
        "workflow": one.what.workflow,
        "alert": one.what.alert,
        "runbook": runbook(one.what.alert),
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


def _unknown(names: Iterable[str]) -> str:
    near = (difflib.get_close_matches(one.lower(), PARAMETERS, 1) for one in names)
    meant = " or ".join(dict.fromkeys(found[0] for found in near if found))
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"unknown query parameter{hint}: expected {', '.join(PARAMETERS[:-1])} or {PARAMETERS[-1]}"


def _single(name: str, given: Mapping[str, Sequence[str]]) -> str:
    """Return the value of a parameter that may be given once, "" where it is not given."""
    values = given.get(name, ())
    if len(values) > 1:
        raise BadQuery(f"{name}: expected one value, not {len(values)}")
    return values[0] if values else ""


def _limit(given: str) -> int:
    if not given:
        return LAST_FAILURES
    if not (given.isascii() and given.isdecimal() and len(given) < 6 and 1 <= int(given) <= MOST):
        raise BadQuery(f"limit: expected a number from 1 to {MOST}")
    return int(given)


def _format(given: str) -> str:
    if given and given not in FORMATS:
        raise BadQuery(f"format: expected {' or '.join(FORMATS)}")
    return given
