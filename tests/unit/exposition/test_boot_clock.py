"""How long ago something was, also on a machine that was suspended."""

import inspect
import socket
import time
from collections.abc import Callable

import pytest
from prometheus_client.registry import CollectorRegistry
from urllib3.connection import HTTPConnection

from exporter.config.bounds import ConfiguredLimits, derive
from exporter.config.resources import PLENTY
from exporter.exposition import scrape
from exporter.exposition.boot_clock import ticks
from exporter.exposition.scrape import Exposition
from exporter.exposition.snapshot import Block, CollectorSnapshot, SnapshotStore
from exporter.model.family import Family
from exporter.polling import poller
from exporter.polling.build import request_limits
from exporter.web import routes

FAMILY = Family("inkit_batches", "gauge", "Batches.", ("account",))
NIGHT = 8 * 3600.0


def test_what_was_read_before_a_night_in_suspension_is_stale_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SnapshotStore()
    data = {FAMILY.name: Block(b"inkit_batches 1\n")}
    store.publish(CollectorSnapshot("a", "inkit", "c", data, fresh_until=ticks() + 600))
    scrapes = Exposition(store, [FAMILY], CollectorRegistry())
    assert b"inkit_batches 1" in b"".join(scrapes.render().chunks)
    asleep = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: asleep(clock) + NIGHT * (clock == time.CLOCK_BOOTTIME))
    assert b"inkit_batches 1" not in b"".join(scrapes.render().chunks)


def test_a_connection_that_was_kept_before_a_night_in_suspension_is_not_used_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What lies between has forgotten it: the first poll would get no answer."""
    idle = request_limits(derive(PLENTY, ConfiguredLimits())).idle
    used = HTTPConnection("api.example")
    used.sock = socket.socket()
    idle.add(used)
    asleep = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: asleep(clock) + NIGHT * (clock == time.CLOCK_BOOTTIME))
    idle.take(used)
    assert used.sock is None


@pytest.mark.parametrize(
    ("who", "parameter"), [(poller.Poller, "ticks"), (scrape.Exposition, "clock"), (routes.routes, "ticks")]
)
def test_all_who_judge_what_is_stale_use_the_same_clock(who: Callable[..., object], parameter: str) -> None:
    assert inspect.signature(who).parameters[parameter].default is ticks


def test_it_never_goes_back() -> None:
    first = ticks()
    assert first <= ticks()
