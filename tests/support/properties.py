"""How many examples a property test tries: few at each run, more with EXAMPLES=10."""

import functools
import importlib
import os
import pkgutil

from hypothesis import settings
from hypothesis.internal.conjecture import providers

import exporter


def examples(count: int) -> int:
    """Return `count` times the environment variable EXAMPLES, and at least 1."""
    return max(1, round(count * float(os.environ.get("EXAMPLES") or 1)))


def load_profile() -> None:
    """Set what applies to property tests that say nothing else.

    There is no deadline, because the machine may be busy. With CI set, every run tries the same examples, so that no
    change is judged by what an earlier one brought in; elsewhere each run tries others.
    """
    _settle_constants()
    settings.register_profile(
        "batch-exporter", max_examples=examples(40), deadline=None, derandomize=bool(os.environ.get("CI"))
    )
    settings.load_profile("batch-exporter")


def _settle_constants() -> None:
    """Let Hypothesis take values from the modules that there are before the first example, all of the program included.

    It looks for new modules before each example. What it tries would depend on which tests ran before in the same
    process, and a property test during which a module is imported fails as flaky.
    """
    for module in pkgutil.walk_packages(exporter.__path__, "exporter."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # There is no setting for it.
    providers._get_local_constants = functools.cache(providers._get_local_constants)  # noqa: SLF001
