"""The exporter that everyone writes: at each poll it reads all pages and counts. It is here to be compared with.

It keeps nothing, so it has no counters, no durations, and no way to tell a new failure from an old one.
"""

from collections import Counter

import requests
from prometheus_client import CollectorRegistry, Gauge


class NaiveExporter:
    """Counts the records of one list by their status."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._gauge = Gauge("records", "Records by status.", ["status"], registry=CollectorRegistry())

    def poll(self) -> None:
        """Count the records of the list by status. Raises requests.RequestException."""
        counts: Counter[str] = Counter()
        page: int | None = 1
        while page is not None:
            answer = requests.get(
                self._url,
                params={"page": page, "page_size": 100},
                headers={"X-Inkit-API-Token": self._token},
                timeout=30,
            )
            answer.raise_for_status()
            listed = answer.json()
            counts.update(item["status"] for item in listed["items"])
            page = listed["metadata"]["pagination"]["next_page"]
        self._gauge.clear()
        for status, count in counts.items():
            self._gauge.labels(status).set(count)
