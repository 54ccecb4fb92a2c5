"""The judges of a soak find growth and lost counts in made-up histories, and none in those that are right."""

import random
from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.demo.faults import Delivery
from tests.support import hostile
from tests.support.soak.configuration import Configurations
from tests.support.soak.faults import FAULTS
from tests.support.soak.flatness import LIMITS, Fit, Sample, fit, fits, rates, slope
from tests.support.soak.increases import Increases
from tests.support.soak.worlds import is_late
from tests.support.walk import Deck

MIB = 1024.0 * 1024.0


def seconds(count: int) -> list[float]:
    return [float(number) for number in range(count)]


def memory(*values: float) -> Fit:
    return fit("memory", list(zip(seconds(len(values)), values, strict=True)))


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([100 * MIB] * 300, True),
        # A leak of a tenth of a MiB a second, under noise.
        ([100 * MIB + 0.1 * MIB * at + random.Random(at).uniform(-5, 5) * MIB for at in range(300)], False),
        ([100 * MIB + random.Random(at).uniform(-20, 20) * MIB for at in range(300)], True),
        # A burst at the end is no growth yet, and neither is what is given back each minute.
        ([*[100 * MIB] * 250, *[200 * MIB] * 50], True),
        ([100 * MIB + at % 60 / 5 * MIB for at in range(300)], True),
        ([200 * MIB - 0.3 * MIB * at for at in range(300)], True),
        ([], True),
        ([100 * MIB], True),
    ],
)
def test_what_grows_is_told_from_what_goes_up_and_down(values: list[float], flat: bool) -> None:
    assert memory(*values).flat is flat


def test_a_pool_that_fills_rises_by_what_was_measured_and_no_more() -> None:
    assert fit("threads", [(0.0, 4.0), (1.0, 12.0), (2.0, 20.0), (20.0, 20.0)]).rise == 16.0


def test_a_log_that_is_written_faster_and_faster_is_not_flat() -> None:
    steady = [Sample(at, MIB, 10, 10, MIB, MIB, 5_000 * at, 100) for at in seconds(100)]
    faster = [sample._replace(logged=100 * sample.at**2) for sample in steady]
    assert [found.name for found in fits(steady) if not found.flat] == []
    assert [found.name for found in fits(faster) if not found.flat] == ["log_rate"]


@pytest.mark.parametrize(("lasts", "flat"), [(20.0, True), (900.0, False)])
def test_a_log_that_is_silent_at_first_is_flat_only_in_a_short_soak(lasts: float, flat: bool) -> None:
    """All collectors that fail and recover log some KiB at once, which may be half of a short soak."""
    moments = [lasts * number / 100 for number in range(101)]
    samples = [Sample(at, MIB, 10, 10, MIB, MIB, 4096.0 * max(0.0, at - lasts / 2), 100) for at in moments]
    assert fits(samples)[-1].flat == flat


@pytest.mark.parametrize("name", [name for name in LIMITS if name != "log_rate"])
def test_everything_that_is_measured_is_judged(name: str) -> None:
    samples = [Sample(at, 1, 1, 1, 1, 1, 0, 100)._replace(**{name: at * MIB}) for at in seconds(100)]
    assert [found.name for found in fits(samples) if not found.flat] == [name]


def test_a_state_that_grows_with_its_records_is_flat_and_one_that_grows_beyond_is_not() -> None:
    with_records = [Sample(at, 1, 1, 1, MIB * (100 + at), 1, 0, 100 + at) for at in seconds(100)]
    beyond = [sample._replace(state=sample.state * (1 + sample.at / 500)) for sample in with_records]
    assert [found.name for found in fits(with_records) if not found.flat] == []
    assert [found.name for found in fits(beyond) if not found.flat] == ["state"]


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.integers(2, 500))
def test_the_slope_of_a_line_is_found(start: float, rise: float, count: int) -> None:
    found = slope([(at, start + rise * at) for at in seconds(count)])
    assert found == pytest.approx(rise, abs=1e-6 * (1 + abs(start) + abs(rise)))


def test_rates_are_those_of_each_part_of_the_time() -> None:
    points = [(at, 10 * at if at < 50 else 500 + 20 * (at - 50)) for at in seconds(101)]
    assert [rate for _, rate in rates(points)] == [10.0] * 5 + [20.0] * 5
    assert rates([]) == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=5), max_size=6), st.booleans())
def test_increases_are_what_has_happened_whatever_restarts_do(processes: list[list[int]], kept: bool) -> None:
    """A counter that is kept goes on after a restart. One that is not kept begins at 0, and that is detected."""
    seen, counted = Increases(), 0
    seen.take({"x": 0.0})
    for events in processes:
        start = counted if kept else 0
        for value in accumulate(events, initial=start):
            seen.take({"x": float(value)})
            seen.take({})
        counted += sum(events)
    assert seen.total == {"x": counted}
    assert not (kept and seen.falls)


def test_what_a_series_begins_with_is_no_increase_and_a_fall_is_told() -> None:
    seen = Increases()
    for value in (7.0, 8.0, 3.0):
        seen.take({'x{a="1"}': value})
    assert seen.total == {'x{a="1"}': 4.0}
    assert seen.falls == ['x{a="1"} is 3 after 8']
    assert seen.page() == 'x{a="1"} 4'


def test_all_actions_are_done_before_any_is_done_more_often() -> None:
    story: list[str] = []
    done: Counter[str] = Counter()
    deck = Deck(random.Random(1), {"a": (2, lambda: story.append("a")), "b": (1, lambda: story.append("b"))})
    for _ in range(6):
        deck.act(done)
    assert sorted(story[:3]) == sorted(story[3:]) == ["a", "a", "b"]
    assert done == {"a": 4, "b": 2}


@given(st.sampled_from(sorted(FAULTS)), st.integers(0, 1000))
def test_a_fault_of_the_api_is_an_answer_or_a_way_to_deliver_the_true_one(name: str, seed: int) -> None:
    fault = FAULTS[name](random.Random(seed), "token", "mark")
    assert (fault.answer is not None) != (fault.latency > 0 or fault.delivery is not Delivery.WHOLE)
    if name == "hostile answer":
        assert fault.answer is not None
        sent = fault.answer.head(len(fault.answer.body)) + fault.answer.body
        assert sent in {kind("token", "mark") for kind in hostile.KINDS.values()}


@given(st.integers(0, 1000), st.integers(2, 60))
def test_a_configuration_never_has_an_account_that_is_not_known_or_another_query_for_late_records(
    seed: int, count: int
) -> None:
    names = [f"{'px' if number % 4 == 3 else 'inkit'}-{number}" for number in range(count)]
    configs = Configurations(random.Random(seed), names, 1, "http://127.0.0.1:1/v1", {"poll_interval": "1s"})
    for _ in range(5):
        for config in (configs.another(), configs.all()):
            accounts = {account["name"]: account for account in config["accounts"]}
            assert accounts.keys() <= set(configs.known)
            late = [account["base_url"] for name, account in accounts.items() if is_late(name)]
            assert all("127.0.0.1" in url for url in late)
        assert [account["name"] for account in configs.all()["accounts"]] == configs.known
