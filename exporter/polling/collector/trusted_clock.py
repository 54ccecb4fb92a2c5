"""The time to trust when the machine's clock may be set between two polls."""

import functools
import uuid
from dataclasses import dataclass
from pathlib import Path

from exporter.state import Checkpoint

SLACK_SECONDS = 300.0
"""A clock that jumps by less is trusted."""

BELIEVED_AFTER_SECONDS = 3600.0
"""A clock that jumped and stays there for that long is trusted again; one that was set back by less is no problem."""


@functools.cache
def boot() -> str:
    """Return an ID of the machine's start that ticks count from. Ticks of different starts can't be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Clocks:
    """The readings of the clocks, in seconds."""

    now: float
    """The machine's clock, which may be set."""
    ticks: float
    """The boot clock, which can't be set."""
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The time to trust, epoch seconds."""

    now: float
    leapt_at: float | None = None
    """The ticks when the clock was first seen to have jumped since the last poll; None if it has not."""


def trusted(clocks: Clocks, checkpoint: Checkpoint) -> Trusted:
    """Return the time to trust: if the clock jumped, the last poll's time plus the elapsed ticks. Pure.

    The clock is trusted again when it has stayed for a while, or when records show that it was behind.
    """
    if (
        checkpoint.polled_at is None
        or checkpoint.ticks is None
        or checkpoint.boot != clocks.boot
        or clocks.ticks < checkpoint.ticks
    ):
        return Trusted(clocks.now)
    expected = checkpoint.polled_at + clocks.ticks - checkpoint.ticks
    if abs(clocks.now - expected) <= SLACK_SECONDS:
        return Trusted(clocks.now)
    newest = checkpoint.seen_newest
    if newest is not None and expected + SLACK_SECONDS < newest <= clocks.now + SLACK_SECONDS:
        # The clock was behind: there are records from its future.
        return Trusted(clocks.now)
    since = clocks.ticks if checkpoint.leapt_at is None else checkpoint.leapt_at
    if clocks.ticks - since >= BELIEVED_AFTER_SECONDS:
        return Trusted(clocks.now, since)
    return Trusted(expected, since)
