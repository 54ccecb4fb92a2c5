"""The landing page: where an operator looks first. Problems come first, then every collector. Pure: values to HTML."""

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import urlencode

from exporter.exposition.snapshot import CollectorSnapshot, Health
from exporter.web.pages.html import age, cell, heads, name, over, row_head, table, when
from exporter.web.pages.problems import Problem
from exporter.web.pages.recent_failures import RECENT, recent_failures
from exporter.web.pages.runbooks import runbook

MOST_PROBLEMS = 20
"""With a thousand accounts behind a network that is down, the rest would say the same."""

_FAILED = f"Failed, last {RECENT.name}"
_COLUMNS = (
    "Account",
    "Collector",
    "Last poll",
    "Last success",
    "Window",
    "Finished",
    "In flight",
    "Oldest open",
    _FAILED,
)
_NUMBERS = ("Finished", "In flight", "Oldest open", _FAILED)


def landing(version: str, found: Sequence[Problem], collectors: Sequence[CollectorSnapshot], now: float) -> str:
    """The main part of the page. `now` is in epoch seconds; ages are counted from it."""
    rows = (f'<tr role="row">{"".join(_cells(one, now))}</tr>' for one in collectors)
    return f"""<h1>Overview</h1>
<p class="muted">Version {escape(version)}</p>
<h2>{"Look at this first" if found else "All is well"}</h2>
{_problems(found) if found else _well(collectors)}
<h2>Collectors</h2>
{table("Collectors", heads(_COLUMNS, _NUMBERS), rows) if collectors else "<p>No collector has been polled yet.</p>"}"""


def _well(collectors: Sequence[CollectorSnapshot]) -> str:
    polls = "Every collector's last poll has succeeded" if collectors else "No poll has failed"
    return f'<p class="note good">{polls}, and no record has failed in the last {RECENT.name}.</p>'


def _problems(found: Sequence[Problem]) -> str:
    items = [_problem(one) for one in found[:MOST_PROBLEMS]]
    if len(found) > MOST_PROBLEMS:
        items.append(f"<li>And {len(found) - MOST_PROBLEMS} more: see the collectors below.</li>")
    return f'<ul class="problems">{"".join(items)}</ul>'


def _problem(one: Problem) -> str:
    links = []
    if one.account:
        links.append(f'<a href="{_failures(one.account)}">See its failed records</a>')
    if one.alert:
        links.append(f'Runbook: <a href="{escape(runbook(one.alert))}">{escape(one.alert)}</a>')
    lines = [f"<strong>{name(one.what)}</strong>", *map(name, one.why)]
    if one.do:
        lines.append(escape(one.do))
    lines[-1] = " ".join((lines[-1], *links))
    return f'<li class="{one.level}">{"".join(f"<p>{line}</p>" for line in lines)}</li>'


def _cells(one: CollectorSnapshot, now: float) -> Iterator[str]:
    health = one.health
    yield row_head("Account", over(name(one.account), name(one.system)))
    yield cell("Collector", name(one.collector))
    yield cell("Last poll", _state(health))
    yield cell("Last success", when(health.last_success, now))
    yield cell("Window", "read" if health.ready else '<span class="warn">not read yet</span>')
    yield cell("Finished", f"{health.finished:,}", "number")
    yield cell("In flight", f"{health.in_flight:,}", "number")
    yield cell(
        "Oldest open", "none" if health.oldest_in_flight is None else age(now - health.oldest_in_flight), "number"
    )
    yield cell(_FAILED, _failed(one, now), "number")


def _state(health: Health) -> str:
    """In words: color only repeats them."""
    if health.up is None:
        return "<span>none yet</span>"
    if health.up:
        return '<span class="good">succeeded</span>'
    return over('<span class="bad">failed</span>', escape(health.reason or ""))


def _failed(one: CollectorSnapshot, now: float) -> str:
    count = recent_failures(one, now)
    if not count.records:
        return "0"
    return f'<a href="{_failures(one.account, one.collector)}">{count}</a>'


def _failures(account: str, collector: str = "") -> str:
    chosen = {"account": account} | ({"collector": collector} if collector else {})
    return escape("/failures?" + urlencode(chosen, errors="replace"))
