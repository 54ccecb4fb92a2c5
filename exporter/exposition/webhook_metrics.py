"""Count the webhooks that arrive, by account and result."""

import threading
from collections.abc import Iterable, Iterator
from enum import StrEnum

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector as LibraryCollector

from exporter.exposition.catalog import WEBHOOKS


class WebhookResult(StrEnum):
    """What became of a webhook."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "unauthorized"
    """The signature is missing or wrong, or the account has no webhooks."""
    UNVERIFIABLE = "unverifiable"
    """The secret of the account can't be read."""
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    NOT_OWNED = "not_owned"
    """Another replica polls the account."""


NOBODY = ""
"""Stands for the account of webhooks that name none: what anybody may send never becomes a label."""
_OF_NOBODY = (WebhookResult.UNAUTHORIZED, WebhookResult.TOO_LARGE)


class WebhookMetrics(LibraryCollector):
    """The webhooks of the accounts that receive any. Without such accounts there is no sample."""

    def __init__(self, lock: threading.Lock) -> None:
        """`lock` is that of the snapshot store."""
        self._lock = lock
        self._counts: dict[tuple[str, WebhookResult], int] = {}

    def keep(self, accounts: Iterable[str]) -> None:
        """Expose these accounts, from 0 on or from what they have counted, and no others. Any thread may call it."""
        keys = [(account, result) for account in accounts for result in WebhookResult]
        keys = [*keys, *((NOBODY, result) for result in _OF_NOBODY)] if keys else []
        with self._lock:
            self._counts = {key: self._counts.get(key, 0) for key in keys}

    def count(self, account: str, result: WebhookResult) -> None:
        """Count a webhook of an account that is exposed, or of NOBODY. Any thread may call it."""
        with self._lock:
            if (account, result) in self._counts:
                self._counts[account, result] += 1

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            counts = dict(self._counts)
        if counts:
            family = CounterMetricFamily(WEBHOOKS.name, WEBHOOKS.help, labels=WEBHOOKS.labels)
            for (account, result), count in counts.items():
                family.add_metric([account, result], count)
            yield family
