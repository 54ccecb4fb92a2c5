"""The catalogue as a Markdown page: what docs/metrics.md is made of."""

from collections.abc import Iterable, Sequence

from exporter.exposition.catalog import LIVE, OWN
from exporter.model.family import Family
from exporter.systems import Source

_HEAD = """# Metrics

Printed by `batch-exporter metrics` from the catalogue in the code; a test holds this page equal to it.

Statuses and destinations are in `snake_case`, and those the vendor documents are exposed at 0 from the first poll
on. What a vendor's status means is the vendor's; `none` stands where the API says nothing. Labels in [brackets] are
there for accounts that ask for them (`workflow_label: true`).

Gauges about records are absent until the window has been read completely once, and again when the last successful poll
is longer ago than `stale_after`: what is shown is never yesterday's.

Counters and histograms are never dropped while their account is configured. Each rise can be seen: a series begins at
0, or after a restart at the value that was exposed last, stays there for a `poll_interval` and until a scrape has been
answered with it, and rises then. So `sum without (instance, pod) (increase(…))` misses no event, also after a restart
or a downtime of any length, and scraping once in a `poll_interval` is enough. While scrapes have stopped, counters
stand still; what happened meanwhile rises once they have begun again.
"""


def page(sources: Iterable[Source]) -> str:
    """The whole page."""
    parts = [_HEAD]
    parts += [_section(f"Records: {source.system.name}", source.families) for source in sources]
    parts.append(_section("The exporter itself", [*OWN, *LIVE]))
    parts.append("Beside these stand the client library's `process_*`, `python_info` and `python_gc_*`.\n")
    return "\n".join(parts)


def _section(title: str, families: Sequence[Family]) -> str:
    rows = [f"| `{one.name}` | {one.kind} | {_labels(one)} | {one.help} |" for one in families]
    return "\n".join(
        [f"## {title}", "", "| family | type | labels | what it says |", "| --- | --- | --- | --- |", *rows, ""]
    )


def _labels(family: Family) -> str:
    return ", ".join(f"[{label}]" if label in family.optional else label for label in family.labels)
