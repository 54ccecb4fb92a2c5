"""However the bounds of a histogram change, at reloads, restarts and between replicas, no bucket ever counts less."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Observations
from exporter.state import Observation, State
from exporter.state.spread import MOST_BOUNDS, decoded, encoded, observed
from exporter.systems import sources
from tests.support.properties import examples

OWN = (10.0, 100.0)
KEY: Key = ("h",)
Bounds = tuple[float, ...]
BOUNDS = st.lists(st.sampled_from([1.0, 5.0, 10.0, 50.0, 100.0, 500.0]), min_size=1, unique=True).map(
    lambda bounds: tuple(sorted(bounds))
)
DURATIONS = st.lists(st.sampled_from([0.0, 1.0, 3.0, 10.0, 30.0, 70.0, 100.0, 400.0, 900.0]), max_size=4)
STEPS = st.lists(st.tuples(BOUNDS | st.just(OWN), DURATIONS, st.booleans()), min_size=1, max_size=8)
NUMBERS = itertools.count()


def cumulative(observations: Observations | None, bounds: Bounds) -> dict[float, int]:
    """Return the values that the buckets with these bounds are exposed with."""
    counts = (0,) * (len(bounds) + 1) if observations is None else observations.within(bounds).counts
    return dict(zip((*bounds, math.inf), itertools.accumulate(counts), strict=True))


def below(durations: Sequence[float], bound: float) -> int:
    return sum(seconds <= bound for seconds in durations)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS)
def test_no_bucket_counts_less_than_it_ever_did_and_each_counts_right_from_when_it_is_configured(
    state: State, steps: list[tuple[Bounds, list[float], bool]]
) -> None:
    """Each step is another program, or another replica, with bounds of its own."""
    account = f"a{next(NUMBERS)}"
    seen: list[float] = []
    exposed: dict[float, int] = {}
    began: dict[float, tuple[int, int]] = {}
    for bounds, durations, publishes in steps:
        rules = Rules(histograms={"h": bounds}, own_bounds={"h": OWN})
        with state.records(account, "x", rules) as records:
            before = records.sums().histograms.get(KEY)
            shown = cumulative(None if before is None else before.observed, bounds)
            # A bound that was not configured before counts from now on.
            began = {bound: began.get(bound, (shown[bound], len(seen))) for bound in bounds}
            new = [
                Record(f"r{next(NUMBERS)}", 1.0, False, {KEY: 1}, finished_at=1.0 + seconds) for seconds in durations
            ]
            records.apply(new, Observation(1000.0, 0.0))
            seen += durations
            if publishes and seen:
                records.publish([KEY], 1.0)
            after = records.sums().histograms.get(KEY)
        if after is None:
            assert not seen
            continue
        counted = cumulative(after.observed, bounds)
        assert counted[math.inf] == len(seen)
        assert after.observed.total == pytest.approx(sum(seen))
        for bound, (count, since) in began.items():
            assert counted[bound] - count == below(seen[since:], bound)
            assert counted[bound] <= below(seen, bound)
        for bound, value in cumulative(after.published, bounds).items():
            assert exposed.get(bound, 0) <= value <= counted[bound]
            exposed[bound] = value


@given(first=BOUNDS, then=BOUNDS, durations=DURATIONS)
def test_a_bound_that_stays_counts_the_same_and_a_new_one_what_is_certain(
    first: Bounds, then: Bounds, durations: list[float]
) -> None:
    before = observed(None, [(1, seconds) for seconds in durations], first)
    after = cumulative(before, then)
    assert list(after.values()) == sorted(after.values())
    for bound in then:
        certain = max((known for known in first if known <= bound), default=-1.0)
        assert after[bound] == below(durations, certain)


@given(some=BOUNDS, other=BOUNDS, durations=DURATIONS, more=DURATIONS)
def test_histograms_with_different_bounds_add_up_with_the_bounds_of_both(
    some: Bounds, other: Bounds, durations: list[float], more: list[float]
) -> None:
    first = observed(None, [(1, seconds) for seconds in durations], some)
    second = observed(None, [(1, seconds) for seconds in more], other)
    both = first.plus(second)
    assert both == second.plus(first)
    assert both.bounds == tuple(sorted({*some, *other}))
    for bounds in (some, other):
        separate = cumulative(first, bounds), cumulative(second, bounds)
        for bound, count in cumulative(both, bounds).items():
            assert count == sum(counts[bound] for counts in separate)


def test_bounds_that_nobody_has_configured_for_long_are_forgotten_once_they_are_many() -> None:
    kept = observed(None, [(1, 7.0)], (5.0, 10.0))
    for number in range(100):
        kept = observed(kept, [(1, 7.0)], (5.0, *(20.0 + 10 * number + place for place in range(9))))
    assert len(kept.bounds) <= MOST_BOUNDS
    assert cumulative(kept, (5.0, 1010.0)) == {5.0: 0, 1010.0: 101, math.inf: 101}


def test_bounds_are_written_only_where_an_account_has_chosen_some() -> None:
    """An older program, which had no choice of bounds, can then read the state of accounts that choose none."""
    own, chosen = observed(None, [(1, 30.0)], OWN), observed(None, [(1, 30.0)], (60.0,))
    assert encoded(own, OWN) == "[[0, 1, 0], 30.0]"
    assert encoded(chosen, OWN) == "[[1, 0], 30.0, [60.0]]"
    assert [decoded(encoded(each, OWN), OWN) for each in (own, chosen)] == [own, chosen]


def test_counts_whose_bounds_nobody_knows_keep_their_number_and_sum(state: State) -> None:
    with state.records("prod", "x", Rules(histograms={"h": (1.0, 2.0, 3.0)})) as records:
        records.apply([Record("r1", 0.0, False, {KEY: 2}, finished_at=1.5)], Observation(1000.0, 0.0))
    with state.records("prod", "x", Rules(histograms={"h": OWN})) as records:
        assert cumulative(records.sums().histograms[KEY].observed, OWN) == {10.0: 0, 100.0: 0, math.inf: 2}
        assert records.sums().histograms[KEY].observed.total == 3.0


def test_the_bounds_of_each_system_are_those_that_a_state_without_bounds_means() -> None:
    """A state keeps no bounds where an account has those of its system: others here would be taken for the old ones."""
    common = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
    found = {
        family.name: family.buckets
        for source in sources().values()
        for family in source.families
        if family.kind == "histogram"
    }
    assert found == {
        "inkit_batch_duration_seconds": common,
        "inkit_invocation_duration_seconds": common,
        "packagex_batch_duration_seconds": (10.0, *common),
    }
