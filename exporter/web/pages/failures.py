"""The page of failed records. Which records it shows: failures_query.py."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exporter.exposition.snapshot import CollectorSnapshot, Elsewhere
from exporter.web.pages.failures_query import FILTERS, Chosen, Failed, Query
from exporter.web.pages.html import Link, render, url

_NOWHERE = Elsewhere()


@dataclass(frozen=True, slots=True)
class _Choice:
    """A field of the form."""

    label: str
    parameter: str
    values: Sequence[str]
    selected: str | None
    """The requested value; None unless it is exactly one."""


def failures_page(
    links: Sequence[Link],
    collectors: Sequence[CollectorSnapshot],
    query: Query,
    chosen: Chosen,
    now: float,
    elsewhere: Elsewhere = _NOWHERE,
) -> bytes:
    """Return the page. `now` is in epoch seconds. `elsewhere` is what was found of other replicas' accounts."""
    asked = [sorted(values) for values in (query.accounts, query.collectors, query.destinations)]
    return render(
        "failures.html",
        links,
        "/failures",
        behind=chosen.behind,
        elsewhere=elsewhere,
        choices=_choices(collectors, query),
        count=_count(chosen),
        filters=list(zip(("of", "in", "at"), asked, strict=True)),
        json_address=url("/failures", **dict(zip(FILTERS, asked, strict=True)), limit=query.limit, format="json"),
        rows=list(_rows(chosen.failed)),
        now=now,
    )


def _choices(collectors: Sequence[CollectorSnapshot], query: Query) -> list[_Choice]:
    places = {place for collector in collectors for failure in collector.failures for place in failure.places}
    accounts = (collector.account for collector in collectors)
    names = (collector.collector for collector in collectors)
    return [
        _choice("Account", "account", accounts, query.accounts),
        _choice("Collector", "collector", names, query.collectors),
        _choice("Destination or resource", "destination", sorted(places), query.destinations),
    ]


def _choice(label: str, parameter: str, values: Iterable[str], asked: frozenset[str]) -> _Choice:
    """Offer the values that exist, and the one that is asked for."""
    selected = next(iter(asked)) if len(asked) == 1 else None
    offered = dict.fromkeys((*values, *([] if selected is None else [selected])))
    return _Choice(label, parameter, list(offered), selected)


def _count(chosen: Chosen) -> str:
    shown = len(chosen.failed)
    if not shown:
        return "No failed record"
    if shown < chosen.matching:
        return f"The last {shown} of {chosen.matching} failed records"
    return "1 failed record" if shown == 1 else f"{shown} failed records"


def _rows(failed: Iterable[Failed]) -> Iterator[tuple[Failed, bool]]:
    """Yield each record, and whether links with its ID lead to this row: two accounts may have the same record."""
    seen: set[str] = set()
    for row in failed:
        record = row.failure.record_id
        yield row, record not in seen
        seen.add(record)
