"""Choose the failed records that a request asks for, and write them as JSON. The page of them: failures.py."""

import difflib
import heapq
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.exposition.snapshot import CollectorSnapshot, Failure
from exporter.model.iso_time import format_iso_time
from exporter.model.record import LAST_FAILURES
from exporter.web.pages.runbooks import runbook

FILTERS = ("account", "collector", "destination")
"""The parameters that choose."""

PARAMETERS = (*FILTERS, "limit", "format")
"""All parameters."""

FORMATS = ("html", "json")
MOST = 1000


class BadQuery(Exception):
    """A parameter that is unknown or has an invalid value. The text says what is expected.

    It never repeats what the client sent: no answer does.
    """


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for. An empty filter matches everything."""

    accounts: frozenset[str] = frozenset()
    collectors: frozenset[str] = frozenset()
    destinations: frozenset[str] = frozenset()
    """Or kinds of resource."""
    limit: int = LAST_FAILURES
    format: str = ""
    """One of FORMATS, or "" to let the client's Accept header decide."""

    @classmethod
    def of(cls, parameters: Mapping[str, Sequence[str]]) -> "Query":
        """Read a URL's parameters. A filter may be repeated and matches any of its values; empty values are ignored.

        Raises BadQuery for an unknown parameter, even without a value, and for an invalid limit or format.
        """
        unknown = [name for name in parameters if name not in PARAMETERS]
        if unknown:
            raise BadQuery(_unknown(unknown))
        given = {name: [value for value in values if value] for name, values in parameters.items()}
        accounts, collectors, places = (frozenset(given.get(name, ())) for name in FILTERS)
        return cls(accounts, collectors, places, _limit(_single("limit", given)), _format(_single("format", given)))

    def covers(self, collector: CollectorSnapshot) -> bool:
        """Return whether the filters match this collector."""
        return _matches(collector.account, self.accounts) and _matches(collector.collector, self.collectors)


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed record and its collector."""

    collector: CollectorSnapshot
    failure: Failure


@dataclass(frozen=True, slots=True)
class Chosen:
    """The answer to a query."""

    failed: Sequence[Failed]
    """The last ones, newest first, at most as many as the limit."""
    matching: int
    """How many there are without the limit."""
    behind: Sequence[CollectorSnapshot]
    """Collectors whose polls fail, so that newer failures may be missing."""


def choose(collectors: Iterable[CollectorSnapshot], query: Query) -> Chosen:
    """Return the failed records that match the query."""
    covered = [collector for collector in collectors if query.covers(collector)]
    matching = [_matching(collector, query) for collector in covered]
    # Each collector's failures are in this order already: of a thousand collectors only the first few are looked at.
    merged = heapq.merge(*map(_joined, covered, matching), key=_order, reverse=True)
    behind = [collector for collector in covered if collector.status.up is False]
    return Chosen(list(itertools.islice(merged, query.limit)), sum(map(len, matching)), behind)


def as_json(chosen: Chosen, others_missing: str | None = None) -> bytes:
    """Return the failed records for programs: one JSON object, and a newline as at the end of any text.

    `others_missing` is why those of accounts of other replicas are missing, if they are.
    """
    answer: dict[str, object] = {
        "failures": [_object(failed) for failed in chosen.failed],
        "not_up_to_date": [_names(collector) for collector in chosen.behind],
    }
    if others_missing is not None:
        answer["other_replicas_missing"] = others_missing
    return f"{json.dumps(answer)}\n".encode()


def _object(failed: Failed) -> dict[str, object]:
    collector, failure = failed.collector, failed.failure
    return {
        "time": format_iso_time(failure.at),
        **_names(collector),
        "id": failure.record_id,
        "created": format_iso_time(failure.created_at),
        "destinations": list(failure.places),
        "statuses": list(failure.statuses),
        "workflow": failure.workflow,
        "alert": failure.alert,
        "runbook": runbook(failure.alert),
    }


def _names(collector: CollectorSnapshot) -> dict[str, object]:
    return {"account": collector.account, "system": collector.system, "collector": collector.collector}


def _matching(collector: CollectorSnapshot, query: Query) -> Sequence[Failure]:
    if not query.destinations:
        return collector.failures
    return [failure for failure in collector.failures if not query.destinations.isdisjoint(failure.places)]


def _joined(collector: CollectorSnapshot, failures: Iterable[Failure]) -> Iterator[Failed]:
    return (Failed(collector, failure) for failure in failures)


def _order(failed: Failed) -> tuple[float, float]:
    return failed.failure.at, failed.failure.created_at


def _matches(text: str, values: frozenset[str]) -> bool:
    return not values or text in values


def _unknown(names: Iterable[str]) -> str:
    near = (difflib.get_close_matches(name.lower(), PARAMETERS, 1) for name in names)
    meant = " or ".join(dict.fromkeys(found[0] for found in near if found))
    hint = f" (did you mean {meant}?)" if meant else ""
    return f"unknown query parameter{hint}: expected {', '.join(PARAMETERS[:-1])} or {PARAMETERS[-1]}"


def _single(name: str, given: Mapping[str, Sequence[str]]) -> str:
    """Return the value of a parameter that may be given once, or "" where it is not given. Raises BadQuery."""
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
