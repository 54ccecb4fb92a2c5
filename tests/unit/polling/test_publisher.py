"""What is rendered again when a collector publishes, and that it is always what the totals say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.catalog import POLL_ERRORS, Feeds
from exporter.exposition.samples import Counters, Shape, counters, fresh_blocks, gauges, status_blocks
from exporter.exposition.snapshot import Block, CollectorSnapshot
from exporter.exposition.status import CollectorStatus
from exporter.model.family import Family
from exporter.model.record import STATE_REASONS, Key, Reason
from exporter.model.totals import Cause, CounterState, HistogramState, Observations, Sums
from exporter.polling.publisher import Output, Pace, Publisher
from exporter.systems import sources
from exporter.systems.inkit.families import DURATIONS

FAMILIES = tuple(family for family in sources()["inkit"].families if "invocations" in family.zeros)
FEEDS = Feeds("invocations", FAMILIES, ("id",))
GAUGES: tuple[Key, ...] = (
    ("inkit_invocations", "completed", "completed"),
    ("inkit_invocations", "odd", "completed"),
    ("inkit_invocation_generations", "sepire", "failed"),
)
COUNTERS: tuple[Key, ...] = (
    ("inkit_invocations_finished_total", "failed"),
    ("inkit_invocations_finished_total", "odd"),
    ("inkit_invocation_generations_finished_total", "elsewhere", "failed"),
    POLL_ERRORS.key("timeout"),
)


class Scene:
    """A publisher with what it publishes to, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.published: list[CollectorSnapshot] = []
        self.status = CollectorStatus("prod", "inkit", "invocations", poll_interval=60.0)
        output = Output(self.published.append, lambda: None)
        self.publisher = Publisher(output, self.status, Pace(60.0, 600.0, 3600.0), FEEDS, ticks=lambda: self.now)

    def poll(self, totals: Sums, stuck: int = 0, soon: tuple[float, ...] = ()) -> CollectorSnapshot:
        self.now += 60.0
        self.publisher.totals = totals
        self.publisher.fresh()
        self.publisher.note_stuck(stuck, soon)
        self.publisher.render_gauges()
        self.status.up, self.status.backfilling = True, False
        self.status.last_success, self.status.last_duration = self.now, self.now / 1000
        self.publisher.update()
        return self.published[-1]


def totals(number: int = 1) -> Sums:
    """Return new objects each time, as the state does."""
    seen = Observations((number,) * 11, float(number), DURATIONS)
    return Sums(
        {GAUGES[0]: number},
        {COUNTERS[0]: CounterState(number, number, Cause("rend_1", 1, 5.0))},
        {("inkit_invocation_duration_seconds",): HistogramState(seen, seen)},
        77.0,
    )


def lines(snapshot: CollectorSnapshot) -> dict[str, Block]:
    return {**snapshot.gauges, **snapshot.counters, **snapshot.status_gauges}


def rendered_again(before: CollectorSnapshot, after: CollectorSnapshot) -> set[str]:
    kept = lines(before)
    return {name for name, block in lines(after).items() if kept.get(name) is not block}


def test_a_quiet_poll_renders_only_when_it_was_and_how_long_it_took() -> None:
    scene = Scene()
    before, after = scene.poll(totals()), scene.poll(totals())
    assert rendered_again(before, after) == {
        "batch_exporter_last_success_timestamp_seconds",
        "batch_exporter_last_poll_duration_seconds",
    }


def test_a_rise_between_polls_renders_no_row_about_polling() -> None:
    scene = Scene()
    before = scene.poll(totals())
    scene.publisher.totals = totals(2)
    scene.publisher.update()
    assert {name for name in rendered_again(before, scene.published[-1]) if name in before.status_gauges} == set()
    assert b'status="failed"} 2.0' in scene.published[-1].counters["inkit_invocations_finished_total"].text


def test_equal_totals_in_another_order_are_other_totals() -> None:
    scene, first = Scene(), Sums(dict.fromkeys(GAUGES[:2], 1))
    scene.poll(first)
    scene.poll(Sums(dict.fromkeys(GAUGES[:2], 1)))
    assert scene.publisher.totals is first
    scene.poll(other := Sums(dict.fromkeys(reversed(GAUGES[:2]), 1)))
    assert scene.publisher.totals is other, "those beyond the cap are others"


def test_records_that_were_stuck_for_a_moment_are_not_shown_at_the_next_poll() -> None:
    scene = Scene()
    scene.poll(totals(), 0, (30.0,))
    scene.now += 40.0
    scene.publisher.update()
    assert scene.published[-1].gauges["batch_exporter_records_stuck"].text.endswith(b" 1.0\n")
    assert scene.poll(totals(), 0).gauges["batch_exporter_records_stuck"].text.endswith(b" 0.0\n")


def test_collectors_with_the_same_series_share_them() -> None:
    shape = Shape(FEEDS)
    some, other = (counters(shape, CollectorStatus(name, "inkit", "invocations"), totals()) for name in ("a", "b"))
    assert some.series is other.series


amounts = st.integers(0, 3)
sums = st.builds(
    Sums,
    st.dictionaries(st.sampled_from(GAUGES), amounts),
    st.dictionaries(
        st.sampled_from(COUNTERS),
        st.builds(
            lambda published, more, cause: CounterState(published + more, published, cause),
            amounts,
            amounts,
            st.none() | st.builds(Cause, st.sampled_from(["rend_1", "rend_2"]), amounts, st.just(5.0)),
        ),
    ),
    st.just({}) | st.builds(lambda number: totals(number).histograms, amounts),
    st.none() | st.just(5.0),
)
polls = st.tuples(sums, st.integers(0, 2), st.lists(st.sampled_from([30.0, 90.0])), st.booleans(), st.booleans())


@given(st.lists(polls, min_size=1, max_size=6))
def test_whatever_changes_what_is_published_is_what_rendering_everything_gives(
    steps: list[tuple[Sums, int, list[float], bool, bool]],
) -> None:
    scene, shape = Scene(), Shape(FEEDS)
    before = Counters({}, frozenset(), {}, {})
    for known, stuck, soon, state_error, later in steps:
        status = scene.status
        if state_error:
            status.count_state_error(Reason.STATE)
        snapshot = scene.poll(known, stuck, tuple(soon))
        shown = gauges(shape, status, known).blocks
        if later:
            scene.now += 45.0
            scene.publisher.update()
            snapshot = scene.published[-1]
            shown = {**shown, **fresh_blocks(status)}
            assert status.stuck == stuck + soon.count(30.0)
        counted, published = status.state_errors, status.state_errors_published
        of_state = {
            POLL_ERRORS.key(reason.value): CounterState(counted[reason], published[reason]) for reason in STATE_REASONS
        }
        before = counters(shape, status, replace(known, counters={**known.counters, **of_state}), before.series)
        assert snapshot.gauges == shown
        assert snapshot.counters == before.blocks
        assert snapshot.status_gauges == status_blocks(status)
        assert snapshot.status == status


OPEN = Family("x_total", "counter", "X.", ("account", "status", "flow"), {"invocations": {"status": ("ok", "bad")}})
keys = st.tuples(st.just("x_total"), st.sampled_from(["ok", "bad", "odd"]), st.sampled_from(["a", "b", "c"]))


@pytest.mark.parametrize("cap", [1, 2, 3, 5, 100])
@given(st.lists(keys, unique=True), st.frozensets(keys))
def test_counters_rendered_again_with_the_series_that_they_have_are_the_same(
    cap: int, counted: list[Key], exposed: frozenset[Key]
) -> None:
    shape = Shape(Feeds("invocations", (OPEN,)), cap=cap)
    known = Sums({}, {key: CounterState(1, 1) for key in counted})
    first = counters(shape, CollectorStatus("prod", "inkit", "invocations"), known, exposed)
    assert counters(shape, CollectorStatus("prod", "inkit", "invocations"), known, first.series) == first
