"""The page of failed records, for people: without a script, on a phone too. Which records: failures.py."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from urllib.parse import urlencode

from exporter.exposition.snapshot import CollectorSnapshot
from exporter.web.pages.failures_query import FILTERS, Chosen, Failed, Query
from exporter.web.pages.html import age, cell, heads, name, over, row_head, table, when
from exporter.web.pages.runbooks import runbook

_COLUMNS = ("Record", "Noticed", "Account", "Destination or resource", "Workflow", "Runbook")


def failures_page(collectors: Sequence[CollectorSnapshot], query: Query, chosen: Chosen, now: float) -> str:
    """The main part of the page. `now` is in epoch seconds."""
    return f"""<h1>Failed records</h1>
<p>The last ones, newest first; a record that fails bit by bit is listed once. What had failed before the exporter
watched is not listed. <code>batch-exporter inspect ACCOUNT ID</code> shows a record as the API has it now.</p>
{_behind(chosen.behind)}
{_form(collectors, query)}
<p>{_count(chosen)}{_words(query)}. <a href="{escape(_address(query))}">The same as JSON</a></p>
{table("Failed records", heads(_COLUMNS), _rows(chosen.failed, now)) if chosen.failed else ""}"""


def _behind(behind: Sequence[CollectorSnapshot]) -> str:
    if not behind:
        return ""
    names = ", ".join(name(f"{one.account}/{one.collector}") for one in behind)
    return f'<p class="note bad">Polls fail, so that newer ones may be missing: {names}. <a href="/">See why</a></p>'


def _form(collectors: Sequence[CollectorSnapshot], query: Query) -> str:
    places = {place for one in collectors for failure in one.failures for place in failure.places}
    return f"""<form action="/failures" method="get">
{_choice("Account", "account", (one.account for one in collectors), query.accounts)}
{_choice("Collector", "collector", (one.collector for one in collectors), query.collectors)}
{_choice("Destination or resource", "destination", sorted(places), query.destinations)}
<button>Show</button>
</form>"""


def _choice(label: str, parameter: str, values: Iterable[str], chosen: frozenset[str]) -> str:
    """One value of those there are, or of those asked for; where several are asked for, none is preselected."""
    only = next(iter(chosen)) if len(chosen) == 1 else None
    options = "".join(
        f'<option value="{escape(one)}"{" selected" if one == only else ""}>{escape(one)}</option>'
        for one in dict.fromkeys((*values, *([] if only is None else [only])))
    )
    return f'<label>{label}<select name="{parameter}"><option value="">All</option>{options}</select></label>'


def _count(chosen: Chosen) -> str:
    shown = len(chosen.failed)
    if not shown:
        return "No failed record"
    if shown < chosen.matching:
        return f"The last {shown} of {chosen.matching} failed records"
    return "1 failed record" if shown == 1 else f"{shown} failed records"


def _words(query: Query) -> str:
    parts = [
        f" {joint} {' or '.join(name(one) for one in sorted(chosen))}"
        for joint, chosen in (("of", query.accounts), ("in", query.collectors), ("at", query.destinations))
        if chosen
    ]
    return "".join(parts) + (', <a href="/failures">show all</a>' if parts else "")


def _address(query: Query) -> str:
    chosen = zip(FILTERS, (query.accounts, query.collectors, query.destinations), strict=True)
    pairs: list[tuple[str, object]] = [(parameter, one) for parameter, values in chosen for one in sorted(values)]
    return "/failures?" + urlencode([*pairs, ("limit", query.limit), ("format", "json")], errors="replace")


def _rows(failed: Iterable[Failed], now: float) -> Iterator[str]:
    """A row is where an exemplar's link with the record's id leads; two accounts may have the same record."""
    named: set[str] = set()
    for one in failed:
        record = one.what.record_id
        anchor = "" if record in named else f' id="{escape(record)}"'
        named.add(record)
        yield f'<tr role="row"{anchor}>{"".join(_cells(one, now))}</tr>'


def _cells(one: Failed, now: float) -> Iterator[str]:
    what = one.what
    record = escape(what.record_id)
    created = f"created {age(what.at - what.created_at)} before"
    yield row_head("Record", over(f'<a class="id" href="#{record}"><code>{record}</code></a>', created))
    yield cell("Noticed", when(what.at, now))
    yield cell("Account", over(name(one.of.account), name(one.of.collector)))
    places = ", ".join(name(place) for place in what.places) or "the record itself"
    statuses = ", ".join(status.replace("_", " ") for status in what.statuses)
    yield cell("Destination or resource", over(places, escape(statuses)))
    yield cell("Workflow", name(what.workflow) or '<span class="muted">none</span>')
    yield cell("Runbook", f'<a href="{escape(runbook(what.alert))}">{escape(what.alert or "All runbooks")}</a>')
