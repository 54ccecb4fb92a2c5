"""What collectors keep in memory: thousands of them share a process."""

import gc
import json
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from exporter.client import ThreadRunner
from exporter.config import load
from exporter.demo.items import document_batch
from exporter.exposition.boot_clock import ticks
from exporter.exposition.self_metrics import SelfMetrics
from exporter.model.record import Record
from exporter.polling.build import Shared, account_pipeline
from exporter.polling.poller import Poller
from exporter.systems import sources
from tests.support.rig import NOW, Rig
from tests.support.scripted import scripted

BYTES_EACH = 33 * 1024
"""For an account with one collector, whose page is known: a tenth more than it takes."""
ROWS = 100
ACCOUNTS = 16


def answer() -> bytes:
    """Return the response for a list with one page, which is full."""
    items = [document_batch(f"rb_{number:024}", NOW - number * 3600.0) for number in range(ROWS)]
    pagination = {"current_page": 1, "next_page": None, "page_count": 1, "page_size": ROWS, "total_count": ROWS}
    body = json.dumps({"items": items, "metadata": {"pagination": pagination}}).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def pollers(url: str, shared: Shared, folder: Path, names: range) -> Sequence[Poller]:
    """Build the pollers of accounts with these numbers, one each."""
    common = {"system": "inkit", "base_url": url, "api_token": "t0ken", "collectors": ["document_batches"]}
    accounts = [{"name": f"account-{number:03}", **common} for number in names]
    path = folder / "config.yaml"
    path.write_text(json.dumps({"max_requests_per_second": 100_000, "accounts": accounts}))
    config = load(path, {name: source.system for name, source in sources().items()}, {})
    return [poller for account in config.accounts for poller in account_pipeline(account, sources(), shared).pollers]


def test_a_quiet_collector_takes_little_memory_between_two_polls(rig: Rig, tmp_path: Path) -> None:
    # Those that other tests keep.
    others = [each for each in gc.get_objects() if isinstance(each, Record)]
    live = SelfMetrics("0", "0", rig.store)
    shared = Shared(rig.state, rig.store, live, lambda _, over: ThreadRunner(over.wait), clock=rig.clock)

    def polled(names: range) -> Sequence[Poller]:
        with scripted(answer()) as api:
            made = pollers(api.url, shared, tmp_path, names)
            for poller in made:
                poller.restore()
            for _ in range(3):
                rig.clock.now += 60.0
                for poller in made:
                    assert poller.poll()
                rig.store.scraped(ticks())
        gc.collect()
        return made

    before = polled(range(5))
    # What measures coverage keeps something of each thread.
    tracer = threading.gettrace()
    threading.settrace(None)
    tracemalloc.start()
    try:
        kept = polled(range(5, 5 + ACCOUNTS))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        threading.settrace(tracer)
    assert all(poller.status.finished == ROWS for poller in (*before, *kept))
    assert taken / ACCOUNTS < BYTES_EACH
    assert not [
        each for each in gc.get_objects() if isinstance(each, Record) and not any(each is other for other in others)
    ]
