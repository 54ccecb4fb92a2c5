"""How many examples a property test tries: few at each run, more with EXAMPLES=10."""

import os

from hypothesis import settings


def examples(count: int) -> int:
    """Return `count` times the environment variable EXAMPLES, and at least 1."""
    return max(1, round(count * float(os.environ.get("EXAMPLES") or 1)))


def load_profile() -> None:
    """Set what applies to property tests that say nothing else.

    There is no deadline, because the machine may be busy. With CI set, every run tries the same examples, so that no
    change is judged by what an earlier one brought in; elsewhere each run tries others.
    """
    settings.register_profile(
        "batch-exporter", max_examples=examples(40), deadline=None, derandomize=bool(os.environ.get("CI"))
    )
    settings.load_profile("batch-exporter")
