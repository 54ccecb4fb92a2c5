"""Validate the intervals and the request rate of an account against each other. Other rules are in validate.py."""

import math
from collections.abc import Iterator, Mapping, Sequence

from exporter.config import defaults, durations, levels, schema
from exporter.config.levels import Levels
from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, Place
from exporter.model.system import System

LEAST_POLL_INTERVAL = 0.01
_ROUNDING = 1 + 1e-9
# The first must not be shorter than the second, for the given reason.
_NOT_SHORTER = (
    ("reconcile_interval", "poll_interval", "there is at most one reconciliation per poll"),
    ("lookback", "poll_interval", "what happens between two polls would never be seen"),
    ("in_flight_max_age", "lookback", "records in flight would be given up while they are still in the window"),
    ("stuck_after", "poll_interval", "a record that finishes normally between two polls would be called stuck"),
    ("in_flight_max_age", "stuck_after", "a record would be given up before it is called stuck"),
)


def findings(draft: Draft, systems: Mapping[str, System]) -> Iterator[Finding]:
    """Yield problems of each account's intervals and rates, once for each key to change."""
    accounts: list[Place] = [("accounts", index) for index in draft.indexes("accounts")]
    found: dict[Place, Finding] = {}
    for account in accounts or [levels.TOP]:
        collectors = [levels.of_collector(draft, account, name) for name in _collectors(draft, account, systems)]
        for key, finding in (
            *(each for collector in collectors or [(account, levels.TOP)] for each in _of_collector(draft, collector)),
            *_pace(draft, account, collectors),
        ):
            found.setdefault((*finding.place, key), finding)
    yield from found.values()


def _of_collector(draft: Draft, collector: Levels) -> Iterator[tuple[str, Finding]]:
    yield from _poll_interval(draft, collector)
    yield from _freshness(draft, collector)
    yield from _too_short(draft, collector)


def _too_short(draft: Draft, collector: Levels) -> Iterator[tuple[str, Finding]]:
    for longer, shorter, reason in _NOT_SHORTER:
        long_place, long = _duration(draft, collector, longer)
        short_place, short = _duration(draft, collector, shorter)
        if long is None or short is None or long >= short or _follows(draft, collector, longer, shorter):
            continue
        message = f"{longer} ({durations.write(long)}) must not be shorter than {shorter} ({durations.write(short)})"
        yield f"{longer} {shorter}", Finding(_nearest(draft, long_place, short_place), f"{message}: {reason}")


def _poll_interval(draft: Draft, collector: Levels) -> Iterator[tuple[str, Finding]]:
    place, interval = _duration(draft, collector, "poll_interval")
    if interval is not None and interval < LEAST_POLL_INTERVAL:
        yield "least", Finding(place, f"poll_interval must be at least {durations.write(LEAST_POLL_INTERVAL)}")


def _freshness(draft: Draft, collector: Levels) -> Iterator[tuple[str, Finding]]:
    """Yield a problem if data becomes stale before the next poll can end."""
    stale_place, stale = _duration(draft, collector, "stale_after")
    poll_place, poll = _duration(draft, collector, "poll_interval")
    timeout_place, timeout = _duration(draft, collector[-2:], "request_timeout")
    if stale is None or poll is None or timeout is None or stale >= poll + timeout:
        return
    message = (
        f"stale_after ({durations.write(stale)}) must not be shorter than poll_interval ({durations.write(poll)}) "
        f"and request_timeout ({durations.write(timeout)}) together: data would be dropped before the next poll ends"
    )
    yield "stale_after", Finding(_nearest(draft, stale_place, poll_place, timeout_place), message)


def _pace(draft: Draft, account: Place, collectors: Sequence[Levels]) -> Iterator[tuple[str, Finding]]:
    """Yield a problem if the requests of polls, at least one for each, do not fit between two polls."""
    rate_place, rate = _rate(draft, account)
    found = [_duration(draft, collector, "poll_interval") for collector in collectors]
    polls = sorted((poll, place) for place, poll in found if poll is not None)
    if rate is None or not polls or len(polls) < len(found):
        return
    needed = sum(1 / poll for poll, _ in polls)
    if needed <= rate * _ROUNDING:
        return
    shortest, place = polls[0]
    if shortest == polls[-1][0]:
        # Messages round values: the suggested interval must be enough.
        enough = durations.write(math.ceil(1000 * len(polls) / rate) / 1000)
        message = (
            f"max_requests_per_second ({rate:g}) is too low for poll_interval ({durations.write(shortest)}): "
            f"one request for each collector takes {enough}; raise it, or poll less often"
        )
    else:
        message = (
            f"max_requests_per_second ({rate:g}) is too low for the poll_interval of its collectors: "
            f"one request for each poll is {_rounded_up(needed):g} a second; raise it, or poll less often"
        )
    yield "max_requests_per_second", Finding(_nearest(draft, rate_place, place), message)


def _rounded_up(rate: float) -> float:
    """Return a rate with three digits that is not below this one."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 2)
    return math.ceil(rate / unit) * unit


def _rate(draft: Draft, account: Place) -> tuple[Place, float | None]:
    """Return the place where an account's request rate is set, or would be, and its value; None for an invalid one."""
    key = "max_requests_per_second"
    for place in ((*account, key), (key,)):
        if place in draft.wrong:
            return place, None
        value = draft.get(*place)
        if isinstance(value, (int, float)):
            return place, float(value)
    return (key,), float(schema.Tuning.model_fields[key].default)


def _collectors(draft: Draft, account: Place, systems: Mapping[str, System]) -> Sequence[str]:
    """Return the collectors of an account; none if they are not known."""
    given = [draft.text(*account, "collectors", index) or "" for index in draft.indexes(*account, "collectors")]
    system = systems.get(draft.text(*account, "system") or "")
    return given or (() if system is None else system.collectors)


def _nearest(draft: Draft, *places: Place) -> Place:
    """Return the place that is set nearest to the account: the one to change."""
    return max(places, key=lambda place: (len(place), draft.get(*place) is not None))


def _follows(draft: Draft, collector: Levels, first: str, second: str) -> bool:
    """Return whether one of the keys is not set and follows the other. Then its value can't be the problem."""
    return any(
        target in defaults.followed(key) and all(draft.get(*level, key) is None for level in collector)
        for key, target in ((first, second), (second, first))
    )


def _duration(draft: Draft, collector: Levels, key: str) -> tuple[Place, float | None]:
    """Return the place where a collector's duration is set, or would be, and its seconds; None for an invalid one."""
    for place in ((*level, key) for level in collector):
        if place in draft.wrong:
            return place, None
        text = draft.text(*place)
        if text is not None:
            return place, durations.parse(text)
    return (key,), defaults.seconds(key, lambda other: _duration(draft, collector, other)[1])
