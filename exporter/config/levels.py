"""The places of a collector's settings in a file: for the collector, in its account, or at the top level."""

from collections.abc import Iterator, Sequence

from exporter.config.source.partial import Draft
from exporter.config.source.problems import Place

PER_COLLECTOR = "per_collector"
TOP: Place = ()

Levels = Sequence[Place]
"""Places of mappings. The first one that has a key decides its value."""


def of_collector(draft: Draft, account: Place, collector: str) -> Levels:
    """Return the levels of a collector. Its own one is left out where it has none."""
    own: Place = (*account, PER_COLLECTOR, collector)
    return (own, account, TOP) if draft.keys(*own) else (account, TOP)


def of_accounts(draft: Draft) -> Iterator[Levels]:
    """Yield the levels of each account's collectors that have none of their own, and of each one that has."""
    for index in draft.indexes("accounts"):
        account: Place = ("accounts", index)
        yield account, TOP
        for name in draft.keys(*account, PER_COLLECTOR):
            yield (*account, PER_COLLECTOR, name), account, TOP
