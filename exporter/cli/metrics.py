"""`batch-exporter metrics`: print the catalog of metrics as a Markdown page, docs/metrics.md."""

import argparse
from collections.abc import Iterable, Sequence

from exporter.exposition.catalog import LIVE, OWN
from exporter.model.family import Family
from exporter.systems import Source, sources

_HEAD = """# Metrics

This page is the output of `batch-exporter metrics`, which prints the catalog in the code; a test compares the two.

Statuses and destinations are in `snake_case`. Those that the vendor documents are exposed at 0 from the first poll on.
The vendor defines the meaning of a status. `none` stands for a value that the API does not give. Labels in [brackets]
exist only for accounts that enable them (`workflow_label: true`).

Gauges about records are absent until the window has been read completely once. They are absent again when the last
successful poll is longer ago than `stale_after`, so stale values are never exposed as current.

Counters and histograms are never dropped while their account is configured. Every increase is visible to Prometheus: a
series starts at 0, or after a restart at the value that was exposed last. It keeps that value for one `poll_interval`
and until a scrape has returned it, and increases after that. So `sum without (instance, pod) (increase(…))` misses no
event, also after a restart or a downtime of any length, and one scrape in each `poll_interval` is enough (for accounts
with `webhook`: in each minute, where `poll_interval` is longer). While there are no scrapes, counters do not change.
Events of that time are added when scrapes resume.

## Histograms of durations

`duration_buckets` sets the bounds of `inkit_batch_duration_seconds`, `inkit_invocation_duration_seconds` and
`packagex_batch_duration_seconds` for an account or a collector. A change, by a reload, a restart or another replica,
resets nothing:

* `_count`, `_sum` and the bucket `+Inf` continue.
* A bucket with an unchanged bound continues.
* A bucket with a new bound starts at the value of the next lower old bound: the observations that are certainly below
  it. From then on it counts every observation, so `rate()` and `increase()` over later times are exact. It keeps its
  first value for one `poll_interval`, like every new series.
* A bucket whose bound was removed is no longer exposed, but still counted. If its bound returns, it continues, and its
  value is never lower than before. If a histogram has had more than 500 bounds, those that are no longer configured are
  forgotten.

Replicas with different configurations may take turns: each exposes its own bounds of the same observations. Quantiles
over accounts with different bounds are wrong: take them by `account`, as the dashboards do.
"""


def run(args: argparse.Namespace) -> bool:
    """Print the page."""
    del args
    print(page(sources().values()), end="")
    return True


def page(sources: Iterable[Source]) -> str:
    """Return the whole page."""
    parts = [_HEAD]
    parts += [_section(f"Records: {source.system.name}", source.families) for source in sources]
    parts.append(_section("The exporter itself", [*OWN, *LIVE]))
    parts.append(
        "The client library adds `process_*`, `python_info` and `python_gc_*`; "
        "`--web.disable-exporter-metrics` leaves them out.\n"
    )
    return "\n".join(parts)


def _section(title: str, families: Sequence[Family]) -> str:
    rows = [f"| `{family.name}` | {family.kind} | {_labels(family)} | {family.help} |" for family in families]
    return "\n".join(
        [f"## {title}", "", "| family | type | labels | meaning |", "| --- | --- | --- | --- |", *rows, ""]
    )


def _labels(family: Family) -> str:
    return ", ".join(f"[{label}]" if label in family.optional else label for label in family.labels)
