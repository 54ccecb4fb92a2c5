"""The gauges about an API's rate limit: what was stated last, for as long as it holds."""

import re
from dataclasses import dataclass

import pytest

from exporter.client.rate_limit import Pause, RateLimiter
from exporter.exposition.rate_limits import KEEP_SECONDS, StatedRateLimit
from exporter.exposition.request_families import PAUSED_UNTIL, RATE_LIMITS
from exporter.exposition.scrape import OPENMETRICS, TEXT, Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore

LIMIT, REMAINING, RESET = (family.name.encode() for family in RATE_LIMITS)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stated(clock: Clock) -> StatedRateLimit:
    return StatedRateLimit("prod", "inkit", clock, lambda: 5000.0)


def shown(stated: StatedRateLimit) -> list[float | None]:
    return [next(iter(stated.values(family).values()), None) for family in RATE_LIMITS]


def test_what_an_answer_states_is_shown_with_the_reset_as_a_timestamp(stated: StatedRateLimit) -> None:
    assert shown(stated) == [None, None, None]
    stated.note(100, 0, 30)
    assert shown(stated) == [100, 0, 5030]
    line = b'batch_exporter_api_rate_limit_remaining{account="prod",system="inkit"} 0.0\n'
    assert stated.rendered(RATE_LIMITS[1]) == line


def test_what_is_left_of_a_window_is_not_shown_once_it_has_ended(stated: StatedRateLimit, clock: Clock) -> None:
    stated.note(100, 7, 30)
    clock.now += 29.9
    assert shown(stated) == [100, 7, 5030]
    clock.now += 0.2
    assert shown(stated) == [100, None, None]
    stated.note(100, 99, 30)
    assert shown(stated) == [100, 99, 5030]


def test_nothing_is_shown_once_no_answer_has_stated_it_for_long(stated: StatedRateLimit, clock: Clock) -> None:
    stated.note(100, 7, 86400)
    clock.now += KEEP_SECONDS - 1
    assert shown(stated) == [100, 7, 91400]
    clock.now += 2
    assert shown(stated) == [None, None, None]
    stated.keep = 60
    stated.note(100, 7, None)
    clock.now += 61
    assert shown(stated) == [None, None, None]


def test_what_an_answer_does_not_state_is_not_taken_from_one_before(stated: StatedRateLimit) -> None:
    stated.note(100, 7, 30)
    stated.note(None, 6, None)
    assert shown(stated) == [None, 6, None]
    stated.forget()
    assert shown(stated) == [None, None, None]


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
def test_a_scrape_has_the_families_only_while_an_api_states_a_limit(clock: Clock, accept: str) -> None:
    live = SelfMetrics("1", "abc", SnapshotStore(), clock)

    def scrape() -> bytes:
        return b"".join(Exposition(SnapshotStore(), (), live.registry).render(accept).chunks)

    live.meter("quiet", "packagex")
    assert LIMIT not in scrape()
    live.meter("prod", "inkit").rate_limit(100, 7, 30)
    text = scrape()
    assert text.count(LIMIT + b'{account="prod",system="inkit"} 100.0\n') == 1
    assert text.count(REMAINING + b'{account="prod",system="inkit"} 7.0\n') == 1
    assert b"# TYPE " + RESET + b" gauge\n" in text
    clock.now += 31
    assert REMAINING not in scrape()
    live.keep([("quiet", "packagex")])
    assert LIMIT not in scrape()


def test_a_pause_is_shown_while_it_holds_for_all_accounts_that_it_holds_up(clock: Clock) -> None:
    """That includes an account to which the API has stated nothing, because another account has the same token."""
    live = SelfMetrics("1", "abc", SnapshotStore(), clock)
    shared = Pause()
    limiters = {"asked": shared, "beside": shared, "free": Pause()}
    asked, *_ = made = [RateLimiter(10, 1, clock, pause) for pause in limiters.values()]
    for name, limiter in zip(limiters, made, strict=True):
        live.meter(name, "inkit").stated_limit.paused_for = limiter.paused_for

    def shown() -> list[bytes]:
        text = b"".join(Exposition(SnapshotStore(), (), live.registry).render(TEXT).chunks)
        return re.findall(PAUSED_UNTIL.name.encode() + rb'\{account="(\w+)",system="inkit"\} [0-9.e+]+\n', text)

    assert shown() == []
    asked.pause(30)
    assert shown() == [b"asked", b"beside"]
    clock.now += 29
    assert shown() == [b"asked", b"beside"]
    clock.now += 1
    assert shown() == []


def test_the_end_of_a_pause_does_not_flicker(clock: Clock) -> None:
    stated = StatedRateLimit("prod", "inkit", clock, lambda: 4000.0 + clock.now)
    left = [30.0]
    stated.paused_for = lambda: left[0]
    assert list(stated.values(PAUSED_UNTIL).values()) == [5030.0]
    for drift in (0.3, -0.4):
        clock.now += 1
        left[0] = 1030.0 - clock.now + drift
        assert list(stated.values(PAUSED_UNTIL).values()) == [5030.0]
    left[0] = 88.0
    assert list(stated.values(PAUSED_UNTIL).values()) == [5090.0]
    assert stated.rendered(PAUSED_UNTIL).endswith(b" 5090.0\n")
    left[0] = 0.0
    assert stated.rendered(PAUSED_UNTIL) == b""
