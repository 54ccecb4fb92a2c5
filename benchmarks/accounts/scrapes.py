"""A scraper like Prometheus: one scrape each interval, however long the one before takes."""

import http.client
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.serving import FORMS

TIMEOUT_SECONDS = 10.0
"""A scrape that takes longer has failed for Prometheus, with its defaults."""
_PATIENCE_SECONDS = 60.0
_HEADERS = FORMS[-1].headers
_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)")


@dataclass(slots=True)
class Scrapes:
    """What was scraped so far."""

    seconds: list[float] = field(default_factory=list)
    """How long each took, those that failed included."""
    failed: int = 0
    size: int = 0
    """Bytes of the last one, as they were sent."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, seconds: float, size: int | None) -> None:
        with self._lock:
            self.seconds.append(seconds)
            self.failed += size is None or seconds > TIMEOUT_SECONDS
            self.size = size or self.size


@contextmanager
def scraping(address: tuple[str, int], interval: float) -> Iterator[Scrapes]:
    """Scrape each interval until the end; the last scrapes are waited for."""
    scrapes = Scrapes()
    over = threading.Event()
    started: list[threading.Thread] = []

    def loop() -> None:
        while not over.is_set():
            thread = threading.Thread(target=_scrape, args=(address, scrapes), daemon=True)
            thread.start()
            started.append(thread)
            over.wait(interval)

    looping = threading.Thread(target=loop, daemon=True)
    looping.start()
    try:
        yield scrapes
    finally:
        over.set()
        looping.join()
        for thread in started:
            thread.join(_PATIENCE_SECONDS)


def samples(address: tuple[str, int], name: str) -> Mapping[tuple[str, str], float]:
    """Return the values of a gauge by account and collector; none if it is absent or the scrape fails."""
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    found = (_SAMPLE.match(line) for line in text.splitlines() if line.startswith(f"{name}{{"))
    values = {}
    for sample in filter(None, found):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample[2]))
        values[labels["account"], labels["collector"]] = float(sample[3])
    return values


def _scrape(address: tuple[str, int], scrapes: Scrapes) -> None:
    began = time.monotonic()
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_SECONDS)
    size: int | None = None
    try:
        connection.request("GET", "/metrics", headers=dict(_HEADERS))
        answer = connection.getresponse()
        body = answer.read()
        size = len(body) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    scrapes.add(time.monotonic() - began, size)
