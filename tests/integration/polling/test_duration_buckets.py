"""Histograms whose bounds change at a restart or a reload: no observation is lost, and every rise is seen."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from exporter.demo.items import document_batch, generations
from exporter.polling.poller import Poller
from exporter.state import SqliteState
from tests.support.at_work import Program
from tests.support.rig import Rig
from tests.support.state import PARAMETERS, STATES

FAMILY = "inkit_batch_duration_seconds"
OPEN = {"sepire": generations(3)}
CHOSEN = (150.0, 250.0)


@pytest.fixture(params=PARAMETERS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Yield a rig with the state in each database.

    Replicas with different configurations share it, one after another.
    """
    with STATES[request.param](tmp_path) as state:
        made = Rig(cast("SqliteState", state))
        with made.mock_api:
            yield made


def histogram(lines: list[str]) -> dict[str, float]:
    """Return the values by their bound, and the number and the sum."""
    found = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        found[name.split('le="')[1].split('"')[0] if "le=" in name else name.partition("{")[0][-5:]] = float(value)
    return found


def shown(rig: Rig, poller: Poller) -> dict[str, float]:
    return histogram(rig.lines(poller, FAMILY))


def started(rig: Rig, bounds: tuple[float, ...] | None = None) -> Poller:
    """Return the poller of a program that has just started and shows what the state holds."""
    poller = rig.poller("document_batches", bounds=bounds)
    poller.restore()
    poller.publish()
    return poller


def pass_time(rig: Rig, poller: Poller, polls: int = 1) -> None:
    """Let a scrape happen and a poll follow an interval later, so many times."""
    for _ in range(polls):
        rig.store.scraped(rig.clock.now + 1)
        rig.clock.now += 60
        assert poller.poll()


def finish(rig: Rig, poller: Poller, name: str) -> None:
    """Let a batch take 200 seconds."""
    rig.world.add("document_batches", document_batch(name, rig.clock.now - 80, destinations=OPEN))
    pass_time(rig, poller)
    rig.world.add("document_batches", document_batch(name, rig.clock.now - 140))
    pass_time(rig, poller)


@pytest.fixture
def observed(rig: Rig) -> Rig:
    """Return a rig whose last program exposed one duration of 200 seconds, was scraped all the while, and has ended."""
    poller = started(rig)
    pass_time(rig, poller, 2)
    finish(rig, poller, "rb_1")
    pass_time(rig, poller, 2)
    assert shown(rig, poller)["120.0"] == 0
    assert shown(rig, poller)["300.0"] == 1
    return rig


def test_new_bounds_begin_at_what_is_certain_and_number_and_sum_go_on(observed: Rig) -> None:
    expected = {"150.0": 0, "250.0": 0, "+Inf": 1, "count": 1, "s_sum": 200}
    assert shown(observed, started(observed, CHOSEN)) == expected


def test_what_is_observed_later_counts_below_each_new_bound(observed: Rig) -> None:
    poller = started(observed, CHOSEN)
    finish(observed, poller, "rb_2")
    pass_time(observed, poller, 2)
    assert shown(observed, poller) == {"150.0": 0, "250.0": 1, "+Inf": 2, "count": 2, "s_sum": 400}
    # Another replica, which has none of these bounds.
    again = shown(observed, started(observed))
    assert (again["120.0"], again["300.0"], again["count"]) == (0, 2, 2)
    assert shown(observed, started(observed, CHOSEN))["250.0"] == 1, "it never counts less than it did"


@pytest.mark.parametrize("bounds", [None, CHOSEN])
def test_a_bucket_that_nobody_has_seen_stands_for_an_interval_before_it_rises(
    observed: Rig, bounds: tuple[float, ...] | None
) -> None:
    """An observation that no program has published yet waits when the bounds change."""
    rig = observed
    poller = started(rig)
    pass_time(rig, poller)
    rig.world.add("document_batches", document_batch("rb_2", rig.clock.now - 80, destinations=OPEN))
    pass_time(rig, poller)
    rig.world.add("document_batches", document_batch("rb_2", rig.clock.now - 140))
    rig.store.scraped(rig.clock.now + 1)
    rig.clock.now += 60
    poller = started(rig, bounds)
    before = shown(rig, poller)
    assert poller.poll()
    if bounds is None:
        assert shown(rig, poller)["count"] == 2, "these buckets were scraped before"
        return
    assert shown(rig, poller) == before
    pass_time(rig, poller)
    assert shown(rig, poller) == {"150.0": 0, "250.0": 1, "+Inf": 2, "count": 2, "s_sum": 400}
    poller = started(rig, bounds)
    finish(rig, poller, "rb_3")
    assert shown(rig, poller)["count"] == 3, "the next program finds them seen"


def test_buckets_that_a_program_has_shown_to_nobody_are_not_taken_for_seen_by_the_next_one(observed: Rig) -> None:
    """The program ends before a scrape, as one does that fails at its start again and again."""
    rig = observed
    poller = started(rig)
    pass_time(rig, poller)
    rig.world.add("document_batches", document_batch("rb_2", rig.clock.now - 80, destinations=OPEN))
    pass_time(rig, poller)
    pass_time(rig, poller)
    rig.clock.now += 1
    assert started(rig, CHOSEN).poll()
    rig.world.add("document_batches", document_batch("rb_2", rig.clock.now - 140))
    poller = started(rig, CHOSEN)
    before = shown(rig, poller)
    assert poller.poll()
    assert shown(rig, poller) == before
    pass_time(rig, poller)
    pass_time(rig, poller)
    assert shown(rig, poller)["count"] == 2


@pytest.mark.parametrize("bounds", [None, CHOSEN])
def test_a_run_that_writes_its_output_shows_new_buckets_before_they_rise(
    rig: Rig, bounds: tuple[float, ...] | None
) -> None:
    """`once` runs like this."""

    def run(bounds: tuple[float, ...] | None) -> dict[str, float]:
        poller = rig.poller("document_batches", bounds=bounds)
        poller.restore()
        poller.continue_output()
        assert poller.poll()
        poller.written()
        rig.clock.now += 60
        return shown(rig, poller)

    run(None)
    rig.world.add("document_batches", document_batch("rb_1", rig.clock.now - 80, destinations=OPEN))
    run(None)
    rig.world.add("document_batches", document_batch("rb_1", rig.clock.now - 140))
    if bounds is None:
        assert run(None)["count"] == 1
    else:
        assert run(bounds) == {"150.0": 0, "250.0": 0, "+Inf": 0, "count": 0, "s_sum": 0}
        assert run(bounds) == {"150.0": 1, "250.0": 1, "+Inf": 1, "count": 1, "s_sum": 140}


@pytest.fixture
def program(rig: Rig, tmp_path: Path) -> Iterator[Program]:
    made = Program(rig, tmp_path)
    yield made
    made.end()


def test_a_reload_with_other_bounds_loses_no_counter(program: Program) -> None:
    batches = "collectors: [document_batches]"
    program.running.start(program.accounts(a=batches))
    program.wait_for_polls("a")
    counters = program.snapshots_of("a")[0].counters.keys()
    assert "1800.0" in histogram(program.shown("a", FAMILY).splitlines())
    assert program.change(a=f"{batches}, duration_buckets: [5, 1m]")["changed"] == 1
    assert histogram(program.shown("a", FAMILY).splitlines()).keys() == {"5.0", "60.0", "+Inf", "count", "s_sum"}
    assert program.snapshots_of("a")[0].counters.keys() == counters
    bounds = "per_collector: {document_batches: {duration_buckets: [2h]}}"
    program.change(a=f"{batches}, duration_buckets: [5, 1m], {bounds}")
    assert histogram(program.shown("a", FAMILY).splitlines()).keys() == {"7200.0", "+Inf", "count", "s_sum"}
