"""The landing page: what an operator sees who opens the exporter in a browser. Pure: from a snapshot to HTML."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from exporter.snapshot import CollectorSnapshot, Snapshot

_STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --muted: #565b62; --line: #c9cdd2; --page: #fff; --link: #0b57d0;
  --good: #11632c; --bad: #a8071a }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --muted: #a9afb7; --line: #454a51; --page: #16181b;
  --link: #8ab4f8; --good: #7dd493; --bad: #ff9c94 } }
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { margin: 0 } a { color: var(--link) } p { margin: .25rem 0 1rem }
.muted { color: var(--muted) } .up { color: var(--good) } .down { color: var(--bad) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line) }
.number { text-align: right; font-variant-numeric: tabular-nums } .error { overflow-wrap: anywhere; min-width: 12rem }
"""
_COLUMNS = ("Account", "System", "Collector", "Last poll", "Last success", "Finished", "In flight", "Error")
_NUMBERS = ("Finished", "In flight")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the exporter."""

    path: str
    name: str
    purpose: str


def content_security_policy() -> str:
    """The policy the page needs: its own style, by its hash, and nothing else at all."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page(version: str, snapshot: Snapshot, links: Iterable[Link], now: float) -> bytes:
    """The page as UTF-8. `now` is in epoch seconds; ages are counted from it."""
    items = "".join(
        f'<li><a href="{escape(link.path)}">{escape(link.name)}</a>: {escape(link.purpose)}</li>' for link in links
    )
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>batch-exporter</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>batch-exporter</h1><p class="muted">Version {escape(version)}</p></header>
<main>
<nav aria-label="Pages"><ul>{items}</ul></nav>
{_collectors(snapshot, now)}
</main>
</body>
</html>
"""
    return html.encode("utf-8", "replace")


def _collectors(snapshot: Snapshot, now: float) -> str:
    if not snapshot.collectors:
        return "<p>No collector has been polled yet.</p>"
    heads = "".join(f'<th scope="col"{_column_class(name)}>{name}</th>' for name in _COLUMNS)
    rows = "\n".join(f"<tr>{''.join(_cells(collector, now))}</tr>" for collector in snapshot.collectors)
    return f"""<div class="scroll" role="region" aria-labelledby="collectors" tabindex="0">
<table>
<caption id="collectors">Collectors</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>"""


def _column_class(name: str) -> str:
    return ' class="number"' if name in _NUMBERS else ""


def _cells(collector: CollectorSnapshot, now: float) -> Iterator[str]:
    health = collector.health
    yield f'<th scope="row">{_name(collector.account)}</th>'
    yield f"<td>{_name(collector.system)}</td>"
    yield f"<td>{_name(collector.collector)}</td>"
    yield f"<td>{_state(up=health.up, ready=health.ready)}</td>"
    yield f"<td>{_time(health.last_success, now)}</td>"
    yield f'<td class="number">{health.finished}</td>'
    yield f'<td class="number">{health.in_flight}</td>'
    yield f'<td class="error">{_name(health.error or "")}</td>'


def _name(text: str) -> str:
    """Text from outside: escaped, and kept from turning the direction of what stands beside it."""
    return f"<bdi>{escape(text)}</bdi>" if text else ""


def _state(*, up: bool | None, ready: bool) -> str:
    """In words: color only repeats them."""
    if up is None:
        return '<span class="muted">none yet</span>'
    reading = "" if ready else ', <span class="muted">reading the window</span>'
    return ('<span class="up">succeeded</span>' if up else '<span class="down">failed</span>') + reading


def _time(moment: float | None, now: float) -> str:
    if moment is None:
        return '<span class="muted">never</span>'
    stamp = datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")
    return f'<time datetime="{stamp}">{stamp}</time> <span class="muted">({age(now - moment)} ago)</span>'


def age(seconds: float) -> str:
    """A length of time in its largest whole unit; one that lies ahead, as after a clock was set back, is 0."""
    whole = max(0, int(seconds))
    size, unit = next((size, unit) for size, unit in _UNITS if whole >= size or size == 1)
    return f"{whole // size} {unit}"
