"""A clock for elapsed time that counts suspension."""

import time

_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def ticks() -> float:
    """Return the seconds since some moment; setting the system time has no effect.

    On Linux, time in which the machine was suspended counts, so that the age of data is true afterwards. Python's
    monotonic clock stands still meanwhile.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
