"""Which time it is, where the machine's clock may be set to another one between two polls."""

import functools
import uuid
from dataclasses import dataclass
from pathlib import Path

from exporter.state import Checkpoint

SLACK_SECONDS = 300.0
"""A clock that leaps by less changes nothing of what is known."""

BELIEVED_AFTER_SECONDS = 3600.0
"""A clock that has leapt and stays where it is has been set right."""


@functools.cache
def boot() -> str:
    """Since which start of the machine the ticks count: with another one, they can't be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the clocks say. Seconds."""

    now: float
    """Of the machine's clock, which may be set to another time."""
    ticks: float
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Which time is gone by."""

    now: float
    leapt_at: float | None = None
    """By the ticks, when the machine's clock was first seen to have leapt since the last poll; None if it has not."""


def trusted(clocks: Clocks, marks: Checkpoint) -> Trusted:
    """Go on from the last poll's time by the ticks, where the clock has leapt since, until it is clear. Pure."""
    if marks.polled_at is None or marks.ticks is None or marks.boot != clocks.boot or clocks.ticks < marks.ticks:
        return Trusted(clocks.now)
    expected = marks.polled_at + clocks.ticks - marks.ticks
    if abs(clocks.now - expected) <= SLACK_SECONDS:
        return Trusted(clocks.now)
    if expected + SLACK_SECONDS < (marks.seen_newest or 0.0) <= clocks.now + SLACK_SECONDS:
        # The clock was behind: there are records that could not be there yet.
        return Trusted(clocks.now)
    since = clocks.ticks if marks.leapt_at is None else marks.leapt_at
    if clocks.ticks - since >= BELIEVED_AFTER_SECONDS:
        return Trusted(clocks.now, since)
    return Trusted(expected, since)
