"""Files of older versions: no event is counted again, and none is lost, also where counters meant something else."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exporter.demo.items import invocation
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Cause, CounterState, HistogramState, Observations
from exporter.state import Checkpoint, Observation, prepared
from exporter.state.sqlite.schema import VERSION, migrate
from exporter.systems import sources
from tests.support.rig import NOW, Rig

INVOCATIONS = "inkit_invocations_finished_total"
GENERATIONS = "inkit_invocation_generations_finished_total"
DURATION = ("inkit_invocation_duration_seconds",)
MARKS = {
    "complete": True,
    "lookback": 7 * 86400.0,
    "horizon": NOW - 7 * 86400,
    "newest": NOW - 30,
    "polled_at": NOW - 60,
}


def kept(status: str, rollup: str, destinations: Mapping[str, str], in_flight: bool) -> dict[Key, int]:
    """Return what version 3 kept of an invocation."""
    contributions: dict[Key, int] = {("inkit_invocations", status, rollup): 1}
    for name, state in destinations.items():
        contributions["inkit_invocation_generations", name, state] = 1
        if state in ("completed", "failed"):
            contributions[GENERATIONS, name, state] = 1
    if not in_flight:
        contributions[INVOCATIONS, status, rollup] = 1
        contributions[DURATION] = 1
    return contributions


RECORDS = {
    "rend_done": (kept("completed", "completed", {"box": "completed"}, False), False),
    "rend_delivery": (kept("completed", "failed", {"box": "failed"}, False), False),
    "rend_unnamed": (kept("completed", "failed", {}, False), False),
    "rend_failed": (kept("failed", "failed", {"box": "failed"}, False), False),
    "rend_failed_too": (kept("failed", "completed", {}, False), False),
    "rend_open": (kept("in_progress", "in_progress", {"box": "in_progress"}, True), True),
    "rend_failed_open": (kept("failed", "in_progress", {"box": "in_progress"}, True), True),
}
COUNTED: dict[Key, tuple[int, int]] = {
    (INVOCATIONS, "completed", "failed"): (5, 1),
    (INVOCATIONS, "completed", "completed"): (2, 1),
    (INVOCATIONS, "failed", "failed"): (3, 1),
    (INVOCATIONS, "failed", "completed"): (4, 0),
    (GENERATIONS, "box", "failed"): (2, 1),
}
"""What version 3 had counted, and whether it had exposed it at 0 before."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        migrate(database, to=3)
        database.execute(
            "INSERT INTO collectors (account, collector, marks) VALUES ('prod', 'invocations', ?)", (json.dumps(MARKS),)
        )
        keys = [key for contributions, _ in RECORDS.values() for key in contributions]
        numbers = {key: number for number, key in enumerate(dict.fromkeys([*keys, *COUNTED]), 1)}
        for key, number in numbers.items():
            total = (
                sum(contributions.get(key, 0) for contributions, _ in RECORDS.values())
                if not key[0].endswith(("_total", "ds"))
                else 0
            )
            events, shown = COUNTED.get(key, (0, 0))
            cause = json.dumps(["rend_cause", 1, float(number)]) if events else None
            insert = "INSERT INTO series (id, collector, key, total, events, shown, cause) VALUES (?, 1, ?, ?, ?, ?, ?)"
            database.execute(insert, (number, json.dumps(key), total, events, shown, cause))
        for name, (contributions, in_flight) in RECORDS.items():
            text = " ".join(f"{numbers[key]}:{amount}" for key, amount in contributions.items())
            insert = "INSERT INTO records (collector, id, created_at, state, adds) VALUES (1, ?, ?, ?, ?)"
            database.execute(insert, (name, NOW - 100, int(in_flight), text))
        text = f"{numbers[INVOCATIONS, 'completed', 'failed']}:1 {numbers[GENERATIONS, 'box', 'failed']}:1"
        database.execute("INSERT INTO failures VALUES (1, 'rend_delivery', 1, ?, ?, ?, NULL)", (NOW - 100, NOW, text))
    return path


@pytest.fixture
def upgraded(old: Path, rig: Rig) -> Iterator[Rig]:
    """Yield the world as version 3 last saw it, and its file under this version."""
    for name, status, rollup, destinations in (
        ("rend_done", "Completed", "Completed", {"box": "Completed"}),
        ("rend_delivery", "Completed", "Failed", {"box": "Failed"}),
        ("rend_unnamed", "Completed", "Failed", {}),
        ("rend_failed", "Failed", "Failed", {"box": "Failed"}),
        ("rend_failed_too", "Failed", "Completed", {}),
        ("rend_open", "In Progress", "In Progress", {"box": "In Progress"}),
        ("rend_failed_open", "Failed", "In Progress", {"box": "In Progress"}),
    ):
        item = invocation(name, NOW - 100, status=status, destinations=destinations)
        rig.world.add("invocations", {**item, "destination_status": rollup})
    with prepared(old) as rig.state:
        yield rig


def published(rig: Rig) -> dict[Key, int]:
    return {key: state.published for key, state in rig.sums("invocations").counters.items() if state.published}


def test_counters_that_differed_in_the_destination_status_alone_are_added_up(upgraded: Rig) -> None:
    assert upgraded.events("invocations") == {
        (INVOCATIONS, "completed"): 7,
        (INVOCATIONS, "failed"): 7,
        (GENERATIONS, "box", "failed"): 2,
    }
    assert published(upgraded) == {
        (INVOCATIONS, "completed"): 7,
        (INVOCATIONS, "failed"): 3,
        (GENERATIONS, "box", "failed"): 2,
    }, "what was never exposed at 0 is still to rise"


def test_what_has_not_changed_is_no_event_but_for_what_version_3_did_not_count(upgraded: Rig) -> None:
    before = upgraded.events("invocations")
    poller = upgraded.poller("invocations")
    upgraded.reconcile(poller)
    assert upgraded.events("invocations") - before == {(INVOCATIONS, "failed"): 1}, "the record that is still open"
    assert upgraded.exact("invocations")


def test_what_happened_during_the_upgrade_is_counted(upgraded: Rig) -> None:
    before = upgraded.events("invocations")
    item = invocation("rend_open", NOW - 100, status="Completed", destinations={"box": "Failed"})
    upgraded.world.add("invocations", item)
    upgraded.world.add("invocations", invocation("rend_new", NOW - 10, destinations={"box": "Failed"}))
    upgraded.reconcile(upgraded.poller("invocations"))
    assert upgraded.events("invocations") - before == {
        (INVOCATIONS, "failed"): 1,
        (INVOCATIONS, "completed"): 2,
        (GENERATIONS, "box", "failed"): 2,
    }


def test_only_a_failure_that_no_destination_names_is_known_without_one(upgraded: Rig) -> None:
    rules = Rules.of(sources()["inkit"].families)
    with upgraded.state.records("prod", "invocations", rules) as records:
        found = records.get(list(RECORDS))
    unplaced = [name for name, record in found.items() if (GENERATIONS, "none", "failed") in record.contributions]
    assert unplaced == ["rend_unnamed"]


def test_the_failed_records_are_listed_as_before(upgraded: Rig) -> None:
    poller = upgraded.poller("invocations")
    poller.restore()
    poller.publish()
    [shown] = upgraded.store.snapshot.collectors[0].failures
    assert (shown.record_id, shown.places, shown.alert) == ("rend_delivery", ("box",), "InkitGenerationFailed")


def test_a_workflow_that_has_the_name_of_a_status_is_no_collision(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "old.db", isolation_level=None)) as database:
        migrate(database, to=3)
        database.execute("INSERT INTO collectors (account, collector) VALUES ('prod', 'invocations')")
        for key in (["completed", "failed"], ["completed", "completed", "failed"], ["completed", "failed", "failed"]):
            insert = "INSERT INTO series (collector, key, events, shown) VALUES (1, ?, 1, 1)"
            database.execute(insert, (json.dumps([INVOCATIONS, *key]),))
        migrate(database)
        keys = dict(database.execute("SELECT key, events FROM series").fetchall())
    assert {tuple(json.loads(key)[1:]): events for key, events in keys.items()} == {
        ("completed",): 1,
        ("completed", "failed"): 2,
    }


FAILED: Key = ("c", "failed")
LATER: Key = ("c", "later")
GAUGE: Key = ("g", "a")
TOOK: Key = ("h",)
PLAIN = Rules(frozenset({"c"}), {"h": (10.0,)}, outcomes={"c": (1, frozenset({"failed"}))})


def filled(path: Path, version: int) -> None:
    """Make a file of a version, with two collectors that have the odd and the even numbers."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        migrate(database, to=version)
        for collector, name in ((1, "x"), (2, "y")):
            insert = "INSERT INTO collectors (id, account, collector, marks) VALUES (?, 'prod', ?, ?)"
            database.execute(insert, (collector, name, json.dumps({"scope": name})))
            rows: dict[Key, tuple[int, int, str | None, str | None]] = {
                FAILED: (0, 7, '["r0", 2, 5.0]', None),
                LATER: (0, 5, None, None),
                GAUGE: (3, 0, None, None),
                TOOK: (0, 0, None, "[[1, 2], 30.0]"),
            }
            for place, (key, (total, events, cause, spread)) in enumerate(rows.items()):
                insert = """INSERT INTO series (id, collector, key, total, events, cause, spread)
                            VALUES (?, ?, ?, ?, ?, ?, ?)"""
                row = (collector + 2 * place, collector, json.dumps(key), total, events, cause, spread)
                database.execute(insert, row)
            amounts = f"{collector}:2 {collector + 4}:3"
            insert = (
                "INSERT INTO records (collector, id, created_at, state, adds, part_of) VALUES (?, 'r1', 1.0, 1, ?, 'b')"
            )
            database.execute(insert, (collector, amounts))
        shown = "published = events, published_spread = '[[1, 1], 20.0]'" if version > 3 else "shown = 1"
        database.execute(f"UPDATE series SET {shown} WHERE events != 5")  # noqa: S608
        if version > 1:
            database.execute("UPDATE series SET rose = 100 - id WHERE events OR spread IS NOT NULL")
        if version > 2:
            insert = "INSERT INTO failures SELECT collector, id, 1, created_at, 2.0, adds, 'Invoices' FROM records"
            database.execute(insert)


@pytest.mark.parametrize("version", range(1, VERSION))
@pytest.mark.parametrize("collector", ["x", "y"])
def test_a_file_of_each_version_before_is_brought_up_to_date(tmp_path: Path, version: int, collector: str) -> None:
    filled(tmp_path / "state.db", version)
    with prepared(tmp_path / "state.db") as state, state.records("prod", collector, PLAIN) as records:
        sums, took = records.sums(), Observations((1, 2), 30.0, (10.0,))
        assert sums.counters == {FAILED: CounterState(7, 7, Cause("r0", 2, 5.0)), LATER: CounterState(5, 0)}
        assert list(sums.counters) == ([LATER, FAILED] if version > 1 else [FAILED, LATER])
        before = Observations((1, 1), 20.0, (10.0,)) if version > 3 else took
        assert (sums.gauges, sums.histograms) == ({GAUGE: 3}, {TOOK: HistogramState(took, before)})
        assert records.checkpoint == Checkpoint(scope=collector)
        assert records.get(["r1"]) == {"r1": Record("r1", 1.0, True, {FAILED: 2, GAUGE: 3}, "b")}
        listed = [("r1", {FAILED: 2, GAUGE: 3}, "Invoices")] if version > 2 else []
        assert [(one.record_id, one.amounts, one.workflow) for one in records.failures.all()] == listed
        records.apply([Record("r2", 3.0, False, {FAILED: 2, ("g", "new"): 1})], Observation(5.0, 0.0))
        assert records.sums().counters[FAILED] == CounterState(9, 7, Cause("r2", 2, 5.0))
        assert records.failures.all()[0].record_id == "r2"


@pytest.mark.parametrize("version", range(1, VERSION))
def test_series_keep_their_numbers_and_new_ones_follow_within_their_collector(tmp_path: Path, version: int) -> None:
    filled(tmp_path / "state.db", version)
    with prepared(tmp_path / "state.db") as state:
        for collector in ("x", "y"):
            with state.records("prod", collector, PLAIN) as records:
                records.apply([Record("r2", 3.0, False, {("g", "new"): 1})], Observation(5.0, 0.0))
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as database:
        numbers = database.execute("SELECT collector, number FROM series ORDER BY collector, number").fetchall()
    # The last one counts the records themselves.
    assert numbers == [(1, n) for n in (1, 3, 5, 7, 8, 9)] + [(2, n) for n in (2, 4, 6, 8, 9, 10)]
