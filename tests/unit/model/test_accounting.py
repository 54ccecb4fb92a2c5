"""What a record's change does to gauges, counters and histograms."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import accounting
from exporter.model.accounting import Change, Rules
from exporter.model.family import Family, Outcome
from exporter.model.record import Key, Record

RULES = Rules(frozenset({"c"}), {"h": (1.0,)})
KEYS = st.sampled_from([("g", "a"), ("g", "b"), ("c", "a"), ("c", "failed"), ("h",)])
RECORDS = st.builds(
    Record,
    id=st.sampled_from(["one", "two", "three"]),
    created_at=st.floats(0, 1e9),
    in_flight=st.booleans(),
    contributions=st.dictionaries(KEYS, st.integers(1, 9)),
    deleted=st.booleans(),
)


def record(in_flight: bool = False, deleted: bool = False, **contributions: int) -> Record:
    return Record(
        "r", 0.0, in_flight, {(name[0], name[2:]): count for name, count in contributions.items()}, deleted=deleted
    )


def change(before: Record | None, after: Record | None, is_new: bool = True) -> Change:
    return accounting.change(before, after, RULES, is_new)


def test_a_new_record_adds_all_of_itself_to_the_gauges() -> None:
    assert change(None, record(g_failed=2)).gauges == {("g", "failed"): 2, (accounting.RECORDS, "finished"): 1}


def test_a_record_that_is_forgotten_takes_all_of_itself_away_and_is_no_event() -> None:
    forgotten = change(record(True, g_failed=2, c_failed=2), None)
    assert forgotten.gauges == {("g", "failed"): -2, (accounting.RECORDS, "in_flight"): -1}
    assert forgotten.events == {}


def test_a_record_that_finishes_moves_from_one_series_to_the_other() -> None:
    assert change(record(True, g_open=2), record(g_done=2)).gauges == {
        ("g", "open"): -2,
        ("g", "done"): 2,
        (accounting.RECORDS, "in_flight"): -1,
        (accounting.RECORDS, "finished"): 1,
    }


def test_a_record_that_stays_as_it_was_changes_nothing() -> None:
    assert change(record(g_done=2, c_done=2), record(g_done=2, c_done=2)) == Change()


def test_what_a_known_record_counts_more_than_before_is_an_event() -> None:
    assert change(record(c_failed=1), record(c_failed=3), is_new=False).events == {("c", "failed"): 2}


def test_what_a_record_counts_none_of_is_no_event() -> None:
    assert change(None, record(c_failed=0)).events == {}


def test_a_new_record_is_an_event_if_it_is_new_and_none_if_it_was_only_not_looked_at() -> None:
    assert change(None, record(c_failed=3), is_new=True).events == {("c", "failed"): 3}
    assert change(None, record(c_failed=3), is_new=False).events == {}


def counted(*seen: Record) -> Counter[Key]:
    """Return all events of a record that is new and is seen in these states, one after the other."""
    return followed(RULES, *seen)


def followed(rules: Rules, *seen: Record) -> Counter[Key]:
    total: Counter[Key] = Counter()
    known: Record | None = None
    for record in seen:
        total.update(accounting.change(known, record, rules, is_new=True).events)
        known = accounting.remembered(known, record, rules)
    return total


def test_a_count_that_alternates_is_counted_once_and_what_exceeds_it_is_one_more() -> None:
    assert counted(record(c_failed=2), record(), record(c_failed=2), record(c_failed=3)) == {("c", "failed"): 3}


def test_what_is_remembered_of_a_record_has_its_gauges_as_seen_and_its_counts_at_their_highest() -> None:
    known = accounting.remembered(record(True, g_open=2, c_failed=2), record(g_done=1, c_failed=1, c_x=1), RULES)
    assert known == record(g_done=1, c_failed=2, c_x=1)
    assert accounting.remembered(None, record(c_x=1), RULES) == record(c_x=1)


PLACED = Rules.of(
    [
        Family(
            "d_total",
            "counter",
            "X.",
            ("account", "destination", "status", "workflow"),
            optional=("workflow",),
            outcome=Outcome("status", frozenset({"failed", "timed_out"}), alert="X", place="destination"),
        ),
        Family("d", "gauge", "X.", ("account", "destination", "status", "workflow"), optional=("workflow",)),
    ]
)
STATUSES = st.sampled_from(["failed", "timed_out", "completed", "in_progress"])


def delivered(rollup: str, destinations: dict[str, str], workflow: str | None = None) -> Record:
    """Return an invocation as a system reads it: a failure without a failed destination is `none`."""
    tail = () if workflow is None else (workflow,)
    contributions: Counter[Key] = Counter()
    for name, status in destinations.items():
        contributions["d", name, status, *tail] += 1
        if status != "in_progress":
            contributions["d_total", name, status, *tail] += 1
    failing = ("failed", "timed_out")
    if rollup in failing and not any(status in failing for status in destinations.values()):
        contributions["d_total", "none", rollup, *tail] = 1
    return Record("r", 0.0, True, contributions)


def test_a_failure_that_a_destination_names_later_is_the_one_that_was_counted_without() -> None:
    seen = [delivered("failed", {"a": "in_progress"}), delivered("failed", {"a": "failed"})]
    assert followed(PLACED, *seen) == {("d_total", "none", "failed"): 1}
    assert followed(PLACED, *seen, delivered("failed", {"a": "failed", "b": "failed"})) == {
        ("d_total", "none", "failed"): 1,
        ("d_total", "b", "failed"): 1,
    }, "a second one is one more"


@given(
    st.lists(
        st.builds(
            delivered,
            STATUSES,
            st.dictionaries(st.sampled_from("abc"), STATUSES),
            st.sampled_from([None, "A", "B"]),
        ),
        max_size=8,
    )
)
def test_an_invocation_counts_as_many_failures_as_it_ever_showed_whatever_alternates_and_whatever_it_is_labeled(
    seen: list[Record],
) -> None:
    total = followed(PLACED, *seen)
    failures = sum(count for key, count in total.items() if accounting.is_failure_series(key, PLACED))
    named = {
        key[:3]
        for record in seen
        for key in record.contributions
        if accounting.is_failure_series(key, PLACED) and key[1] != "none"
    }
    unnamed = any(key[1] == "none" for record in seen for key in record.contributions)
    assert failures == max(len(named), int(unnamed))
    completed = {
        key[:3] for record in seen for key in record.contributions if key[0] == "d_total" and key[2] == "completed"
    }
    assert sum(count for key, count in total.items() if key[2] == "completed") == len(completed)


def test_a_record_that_the_api_no_longer_has_leaves_the_gauges() -> None:
    deleted = change(record(g_done=1, c_done=1), record(deleted=True, g_done=1, c_done=1))
    assert deleted == Change({("g", "done"): -1, (accounting.RECORDS, "finished"): -1}, {})


def test_a_record_that_comes_back_is_counted_in_the_gauges_and_is_no_new_event() -> None:
    back = change(record(deleted=True, g_done=1, c_done=1), record(g_done=1, c_done=1))
    assert back == Change({("g", "done"): 1, (accounting.RECORDS, "finished"): 1}, {})


def test_a_record_that_fails_while_it_was_gone_is_an_event_when_it_comes_back() -> None:
    assert change(record(deleted=True), record(c_failed=1), is_new=False).events == {("c", "failed"): 1}


@given(st.lists(st.tuples(RECORDS, st.booleans(), st.booleans())))
def test_whatever_happens_the_gauges_are_the_records_that_are_there_and_no_event_is_negative(
    steps: list[tuple[Record, bool, bool]],
) -> None:
    there: dict[str, Record] = {}
    sums: Counter[Key] = Counter()
    for step, forgotten, is_new in steps:
        after = None if forgotten else step
        happened = change(there.get(step.id), after, is_new)
        sums.update(happened.gauges)
        assert all(amount > 0 and not RULES.is_gauge(key) for key, amount in happened.events.items())
        before = there.pop(step.id, None)
        if after is not None:
            there[step.id] = accounting.remembered(before, after, RULES)
    expected: Counter[Key] = Counter()
    for record in there.values():
        if not record.deleted:
            expected.update({key: amount for key, amount in record.contributions.items() if key[0] == "g"})
            expected[accounting.RECORDS, "in_flight" if record.in_flight else "finished"] += 1
    assert {key: count for key, count in sums.items() if count} == expected


def test_a_series_is_of_failures_if_the_label_that_the_family_names_has_a_value_that_it_names() -> None:
    outcome = Outcome("fate", frozenset({"rejected", "lost"}), alert="X")
    labels = ("account", "destination", "fate", "status")
    rules = Rules.of(
        [Family("x_total", "counter", "X.", labels, outcome=outcome), Family("y_total", "counter", "X.", labels)]
    )
    assert accounting.is_failure_series(("x_total", "sepire", "rejected"), rules)
    assert accounting.is_failure_series(("x_total", "sepire", "lost", "Invoices"), rules)
    assert not accounting.is_failure_series(("x_total", "sepire", "completed"), rules)
    assert not accounting.is_failure_series(("x_total", "rejected", "completed", "failed"), rules), (
        "other labels are names"
    )
    assert not accounting.is_failure_series(("y_total", "sepire", "rejected", "failed"), rules), (
        "no outcome is declared"
    )
    assert not accounting.is_failure_series(("z_total", "sepire", "rejected"), rules)


ITEMS = Rules(frozenset({"c"}), outcomes={"c": (3, frozenset({"error"}))}, places={"c": 1})
"""Counters of a place, a phase and an outcome."""


def items(place: str, **failed: int) -> Record:
    return Record("r", 0.0, False, {("c", place, phase, "error"): count for phase, count in failed.items()})


def test_failures_without_a_place_count_in_each_phase_and_as_they_rise() -> None:
    seen = [items("none", parsing=5, validation=3), items("none", parsing=7, validation=3)]
    assert accounting.change(None, seen[0], ITEMS, is_new=True).events == seen[0].contributions
    assert accounting.change(seen[0], seen[1], ITEMS, is_new=False).events == {("c", "none", "parsing", "error"): 2}
    kept = accounting.remembered(seen[0], seen[1], ITEMS)
    assert accounting.change(kept, seen[0], ITEMS, is_new=False).events == {}


def test_failures_that_lose_their_place_are_not_counted_again_and_those_that_get_one_neither() -> None:
    placed, unplaced = items("contact", parsing=5, validation=3), items("none", parsing=5, validation=3)
    assert accounting.change(placed, unplaced, ITEMS, is_new=False).events == {}
    assert accounting.change(unplaced, placed, ITEMS, is_new=False).events == {}


def test_errors_of_one_phase_that_get_a_place_are_not_taken_for_those_of_another() -> None:
    outcome = Outcome("outcome", frozenset({"error"}), alert="X", place="resource")
    family = Family("i_total", "counter", "X.", ("account", "resource", "phase", "outcome"), outcome=outcome)
    rules = Rules.of([family])

    def errors(resource: str, **phases: int) -> Record:
        contributions: dict[Key, int] = {
            ("i_total", resource, phase, "error"): count for phase, count in phases.items()
        }
        return Record("b", 0.0, False, contributions)

    seen = [errors("none", parsing=5), errors("contact", validation=3, parsing=5)]
    assert followed(rules, *seen) == {
        ("i_total", "none", "parsing", "error"): 5,
        ("i_total", "contact", "validation", "error"): 3,
    }


def test_what_a_record_is_called_later_counts_nothing_again_and_what_it_does_later_counts() -> None:
    """An API may leave out the resource of all batches for a while."""
    outcome = Outcome("status", frozenset({"failed"}), alert="X")
    labels = ("account", "resource", "mode", "status")
    family = Family("b_total", "counter", "X.", labels, outcome=outcome, describing=("resource", "mode"))
    rules = Rules.of([family])

    def batch(resource: str, mode: str, status: str) -> Record:
        return Record("b", 0.0, False, {("b_total", resource, mode, status): 1})

    seen = [batch("contact", "sync", "failed"), batch("unknown", "none", "failed"), batch("contact", "sync", "failed")]
    assert followed(rules, *seen) == seen[0].contributions
    retried = batch("unknown", "sync", "completed")
    assert followed(rules, *seen, retried) == {**seen[0].contributions, **retried.contributions}
