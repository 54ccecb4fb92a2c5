"""Slow tests begin first on each worker, and no test is lost."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.order import slow_first, slowness

TESTS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=40)
"""Modules, and whether a test is slow."""


@given(TESTS, st.integers(1, 4))
def test_no_test_is_lost_and_each_slow_module_stays_together(tests: list[tuple[int, bool]], workers: int) -> None:
    numbered = sorted((str(module), slow, number) for number, (module, slow) in enumerate(tests))
    ordered = slow_first(numbered, lambda test: test[0], lambda test: test[1], workers)
    assert sorted(ordered) == numbered
    slow = {module for module, is_slow, _ in numbered if is_slow}
    places = [module for module, _ in groupby(ordered, lambda test: test[0]) if module in slow]
    assert len(places) == len(set(places))


def test_each_part_begins_with_slow_modules() -> None:
    tests = [(f"quick{number}", False) for number in range(6)] + [(f"slow{number}", True) for number in range(4)]
    ordered = slow_first(tests, lambda test: test[0], lambda test: test[1], 2)
    assert [name for name, _ in ordered] == [
        *("slow0", "slow2", "quick0", "quick1", "quick2"),
        *("slow1", "slow3", "quick3", "quick4", "quick5"),
    ]


def test_the_slowest_modules_begin_first() -> None:
    tests = [("quick", 0.0), ("slow", 1.0), ("slowest", 1.0), ("slowest", 60.0)]
    ordered = slow_first(tests, lambda test: test[0], lambda test: test[1], 1)
    assert [name for name, _ in ordered] == ["slowest", "slowest", "slow", "quick"]
    marks = (None, pytest.mark.slow.mark, pytest.mark.slow(seconds=60).mark)
    assert [slowness(mark) for mark in marks] == [0.0, 1.0, 60.0]
