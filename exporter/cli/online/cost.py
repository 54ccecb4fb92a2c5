"""Estimate what polling costs, and how many series it exposes. Pure."""

import math
from collections.abc import Iterable, Sequence

from exporter.exposition.catalog import STATUS, Feeds
from exporter.exposition.meter import EXPECTED_CODES
from exporter.exposition.samples import Shape, counters, gauges
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.family import Family
from exporter.model.record import Record
from exporter.model.totals import CounterState, HistogramState, Observations, Sums
from exporter.systems.base import Listing, Page

_DAY_SECONDS = 86400.0


def requests_a_day(pages: int, poll_interval: float, reconcile_interval: float, *, sorted_list: bool = True) -> int:
    """Return the requests of a day without new or unfinished records: a page a poll, all pages a reconciliation.

    A list that is not sorted is read as a whole at each poll.
    """
    if not sorted_list:
        return math.ceil(pages * _DAY_SECONDS / poll_interval)
    again = 0 if pages == 1 else pages * _DAY_SECONDS / reconcile_interval
    return math.ceil(_DAY_SECONDS / poll_interval + again)


def pages_in_window(newest: Sequence[Page], lookback: float) -> int:
    """Estimate the pages of the window from the time that the newest ones span and from the total number of pages."""
    times = [record.created_at for page in newest for record in page.records]
    if newest[0].last or len(times) < 2:
        return 1
    span = max(times) - min(times)
    spanned = len(times) / max(page.rows for page in newest)
    by_time = math.ceil(spanned * lookback / span) if span > 0 else math.inf
    return int(min(max(1, by_time), newest[0].pages or by_time))


def series(records: Iterable[Record], listing: Listing, families: Iterable[Family], *, optional: bool) -> int:
    """Return how many series a collector exposes once it has polled these records, those about its polling included.

    Other records may have other statuses and names. `optional` is whether the account has the optional labels.
    """
    fed = tuple(family for family in families if listing.name in family.zeros)
    shape = Shape(Feeds(listing.name, fed, listing.rejections, listing.optional), optional=optional)
    totals = _totals(records, Rules.of(fed))
    status = CollectorStatus("", "", listing.name)
    blocks = (*gauges(shape, status, totals).blocks.values(), *counters(shape, status, totals).blocks.values())
    # These rows have no values before the first poll. Later each has at least one.
    about_polling = sum(len(row.values(status)) or 1 for row in STATUS if not row.while_fresh)
    return about_polling + sum(block.openmetrics.count(b"\n") for block in blocks)


def request_series(endpoints: int, *, limited: bool) -> int:
    """Return how many series an account has about its requests; `limited`: its API states a rate limit."""
    return endpoints * len(EXPECTED_CODES) + 1 + 3 * limited


def _totals(records: Iterable[Record], rules: Rules) -> Sums:
    found = list(records)
    keys = dict.fromkeys(key for record in found for key in record.contributions)
    return Sums(
        {key: 0 for key in keys if rules.is_gauge(key)},
        {key: CounterState(0, 0) for key in keys if key[0] in rules.counters},
        {
            key: HistogramState(Observations((0,) * (len(bounds) + 1), 0.0, bounds))
            for key in keys
            if (bounds := rules.histograms.get(key[0])) is not None
        },
        min((record.created_at for record in found if record.in_flight), default=None),
    )
