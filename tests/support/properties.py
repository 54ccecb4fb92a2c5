"""How many examples a property test tries: few at each run, more with EXAMPLES=10."""

import importlib
import os
import pkgutil

from hypothesis import settings

import exporter


def examples(count: int) -> int:
    """Return `count` times the environment variable EXAMPLES, and at least 1."""
    return max(1, round(count * float(os.environ.get("EXAMPLES") or 1)))


def load_profile() -> None:
    """Set what applies to property tests that say nothing else.

    There is no deadline, because the machine may be busy. With CI set, every run tries the same examples, so that no
    change is judged by what an earlier one brought in; elsewhere each run tries others.
    """
    _import_all()
    settings.register_profile(
        "batch-exporter", max_examples=examples(40), deadline=None, derandomize=bool(os.environ.get("CI"))
    )
    settings.load_profile("batch-exporter")


def _import_all() -> None:
    """Import what tests would import while they run: Hypothesis takes values from all modules that it finds.

    It fails if there are more of them at the second attempt to draw the same values.
    """
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
