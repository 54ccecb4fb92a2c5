"""The clock that tells how long ago something was."""

import time

_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def ticks() -> float:
    """Return the seconds since some moment, as no setting of the clock changes them.

    Time in which the machine was suspended counts, where the system can tell (Linux): what was read before that is as
    old as it is. Python's monotonic clock stands still meanwhile.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
