"""What all pages have in common: their frame, their policy, and text and times in HTML. No page's contents are here."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from exporter.model.iso_time import iso_time
from exporter.web.pages.style import STYLE

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the exporter."""

    path: str
    name: str


def headers() -> tuple[tuple[str, str], ...]:
    """The headers every page has. It may use its own style, by its hash, and send its forms home; nothing else at all.

    Where a link leads out, the exporter's address is not told there.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return ("content-security-policy", policy), ("referrer-policy", "no-referrer")


def page(title: str, links: Sequence[Link], here: str, main: str) -> bytes:
    """A page as UTF-8: its main part is HTML, all else is text. `here` is the path among the links that it has."""
    html = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><nav class="top" aria-label="Pages"><strong>batch-exporter</strong>
{" ".join(_link(link, here) for link in links)}</nav></header>
<main>
{main}
</main>
</body>
</html>
"""
    return html.encode("utf-8", "replace")


def _link(link: Link, here: str) -> str:
    current = ' aria-current="page"' if link.path == here else ""
    return f'<a href="{escape(link.path)}"{current}>{escape(link.name)}</a>'


def name(text: str | None) -> str:
    """Text from outside: escaped, and kept from turning the direction of what stands beside it."""
    return f"<bdi>{escape(text)}</bdi>" if text else ""


def table(label: str, heads: str, rows: Iterable[str]) -> str:
    """A table of rows; where it is wider than the window it scrolls by itself, with the keyboard too."""
    body = "\n".join(rows)
    return f"""<div class="scroll" role="region" aria-label="{label}" tabindex="0">
<table role="table" aria-label="{label}">
{heads}
<tbody role="rowgroup">
{body}
</tbody>
</table>
</div>"""


def cell(head: str, html: str, kind: str = "") -> str:
    """A cell that names its column: a phone shows no row of heads. Its role outlives a display that is no table's."""
    return f'<td role="cell" data-head="{escape(head)}"{f" class={kind!r}" if kind else ""}>{html}</td>'


def row_head(head: str, html: str) -> str:
    """The cell that says what a row is about."""
    return f'<th role="rowheader" scope="row" data-head="{escape(head)}">{html}</th>'


def over(first: str, second: str) -> str:
    """Two lines of HTML in a cell, the second one smaller."""
    return f'<span>{first} <span class="sub">{second}</span></span>'


def heads(names: tuple[str, ...], numbers: tuple[str, ...] = ()) -> str:
    """The row of heads."""
    cells = (
        f'<th role="columnheader" scope="col"{" class=number" if one in numbers else ""}>{escape(one)}</th>'
        for one in names
    )
    return f'<thead role="rowgroup"><tr role="row">{"".join(cells)}</tr></thead>'


def when(moment: float | None, now: float) -> str:
    """A time and how long ago it was, both in epoch seconds."""
    if moment is None:
        return '<span class="muted">never</span>'
    stamp = iso_time(moment)
    shown = stamp.replace("T", " ")
    return over(f'<time datetime="{stamp}">{shown}</time>', f"{age(now - moment)} ago")


def age(seconds: float) -> str:
    """A length of time in its largest whole unit; one that lies ahead, as after a clock was set back, is 0."""
    whole = max(0, int(seconds))
    size, unit = next((size, unit) for size, unit in _UNITS if whole >= size or size == 1)
    return f"{whole // size} {unit}"
