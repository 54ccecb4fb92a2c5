"""After any sequence of writes, with the program killed at any statement, the records and sums are those of a model."""

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from exporter.model.accounting import RECORDS, Rules
from exporter.model.record import Key, Record
from exporter.state import Checkpoint, Observation, Records
from tests.support.doubles import Killed
from tests.support.properties import examples
from tests.support.state import MORTAL_STATES

RULES = Rules(frozenset({"c"}), {"h": (10.0, 100.0)}, {"c": (1, frozenset({"failed"}))})
NAMES = ["a", "B", "\u00e9", "\uff3a", "\U0001f600"]
"""In the order of their bytes they are not as a language sorts them, nor as UTF-16 does."""
IDS = st.sampled_from(NAMES)
KEYS = st.sampled_from([("g", "x"), ("g", "y"), ("c", "x"), ("c", "failed"), ("h",)])
COUNTERS = st.sampled_from([("c", "x"), ("c", "failed"), ("c", "new")])
ADDS = st.dictionaries(KEYS, st.integers(1, 3))
BATCH_IDS = st.sampled_from([None, "b", "c"])
RECORD = st.builds(Record, IDS, st.sampled_from([0.0, 50.0, 100.0]), st.booleans(), ADDS, BATCH_IDS)
SEEN = st.lists(RECORD, max_size=4, unique_by=lambda record: record.id)
LIVES = st.none() | st.integers(0, 25)


class Model:
    """What there is, and what was counted, in the plainest way."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.events: Counter[Key] = Counter()
        self.published: Counter[Key] = Counter()
        self.failed: dict[str, int] = {}
        """By record, how much of it has failed; the one that failed last is the last."""
        self.checkpoint = Checkpoint()

    def copy(self) -> "Model":
        other = Model()
        other.records, other.events, other.checkpoint = dict(self.records), Counter(self.events), self.checkpoint
        other.published, other.failed = Counter(self.published), dict(self.failed)
        return other

    def apply(self, seen: list[Record], deleted: list[str], horizon: float | None, checkpoint: Checkpoint) -> None:
        for name in deleted:
            if name in self.records and name not in {record.id for record in seen}:
                self.records[name] = replace(self.records[name], deleted=True, in_flight=False)
        for record in seen:
            before = self.records.get(record.id)
            if before is not None or (horizon is not None and record.created_at >= horizon):
                known = {} if before is None else before.contributions
                rises = {key: more - known.get(key, 0) for key, more in record.contributions.items() if key[0] != "g"}
                self.events.update({key: rise for key, rise in rises.items() if rise > 0})
                if (failures := rises.get(("c", "failed"), 0)) > 0:
                    self.failed[record.id] = self.failed.pop(record.id, 0) + failures
            ever = (
                Counter() if before is None else Counter({k: n for k, n in before.contributions.items() if k[0] != "g"})
            )
            self.records[record.id] = replace(record, contributions=dict(ever | Counter(record.contributions)))
        self.checkpoint = checkpoint

    def gauges(self) -> dict[Key, int]:
        sums: Counter[Key] = Counter()
        for record in self.records.values():
            if not record.deleted:
                sums.update({key: more for key, more in record.contributions.items() if key[0] == "g"})
                sums[RECORDS, "in_flight" if record.in_flight else "finished"] += 1
        return dict(sums)


class Machine(RuleBasedStateMachine):
    """One collector's records; each rule opens them again, as each poll does."""

    database: str

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.state = self.resources.enter_context(MORTAL_STATES[self.database](folder))
        self.model = Model()
        self.turn = 0

    def teardown(self) -> None:
        self.resources.close()

    @rule(seen=SEEN, deleted=st.lists(IDS, max_size=2), horizon=st.sampled_from([None, 0.0, 50.0]), lives=LIVES)
    def apply(self, seen: list[Record], deleted: list[str], horizon: float | None, lives: int | None) -> None:
        self.turn += 1
        after = self.model.copy()
        after.apply(seen, deleted, horizon, replace(self.model.checkpoint, polled_at=float(self.turn)))
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                records.apply(seen, Observation(200.0, horizon), deleted, after.checkpoint)
            self.model = after
        except Killed:
            self.find_out_which(after)
        self.look()

    @rule(names=st.lists(IDS, max_size=3, unique=True), lives=LIVES)
    def forget(self, names: list[str], lives: int | None) -> None:
        after = self.model.copy()
        dropped = [after.records.pop(name) for name in names if name in after.records]
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                records.forget(dropped)
            self.model = after
        except Killed:
            self.find_out_which(after)
        self.look()

    @rule(lives=LIVES)
    def start_over(self, lives: int | None) -> None:
        self.turn += 1
        after = self.model.copy()
        after.records = {name: replace(record, deleted=True, in_flight=False) for name, record in after.records.items()}
        after.checkpoint = Checkpoint(scope=f"scope {self.turn}")
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                records.start_over(after.checkpoint)
            self.model = after
        except Killed:
            self.find_out_which(after)
        self.look()

    @rule(lives=LIVES)
    def publish(self, lives: int | None) -> None:
        self.turn += 1
        after = self.model.copy()
        after.published = Counter(after.events)
        after.checkpoint = replace(after.checkpoint, published_at=float(self.turn))
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                sums = records.sums()
                records.publish([*sums.counters, *sums.histograms, *sums.gauges], float(self.turn))
                if not (sums.counters or sums.histograms or sums.gauges):
                    after.checkpoint = self.model.checkpoint
            self.model = after
        except Killed:
            self.find_out_which(after)
        self.look()

    @rule(key=COUNTERS, into=COUNTERS)
    def relabel_waiting(self, key: Key, into: Key) -> None:
        """Move events that wait to be published to another series, except for an unknown series."""
        waiting = self.model.events[key] - self.model.published[key]
        self.state.statements = None
        with self.state.records("prod", "x", RULES) as records:
            if key not in records.series.all_keys():
                return
            records.relabel_waiting({key: into})
        if waiting and key != into:
            self.model.events[into] += waiting
            self.model.events[key] -= waiting
        self.look()

    def find_out_which(self, after: Model) -> None:
        """Find out whether the program died before or after it was done. `look` rules out everything in between."""
        self.state.statements = None
        with self.state.records("prod", "x", RULES) as records:
            if records.checkpoint == after.checkpoint and set(records.get(NAMES)) == set(after.records):
                self.model = after

    def look(self) -> None:
        self.state.statements = None
        with self.state.records("prod", "x", RULES) as records:
            sums, found, checkpoint = records.sums(), records.get(NAMES), records.checkpoint
            failed = records.failures.all()
            self.look_up(records)
        model = self.model
        assert found == model.records
        assert checkpoint == model.checkpoint
        assert sums.gauges == model.gauges()
        assert {key: count.counted for key, count in sums.counters.items()} == {
            key: count for key, count in model.events.items() if key[0] == "c"
        }
        assert {key: count.published for key, count in sums.counters.items()} == {
            key: model.published[key] for key in model.events if key[0] == "c"
        }
        assert {record.record_id: record.amounts for record in failed} == {
            name: {("c", "failed"): count} for name, count in model.failed.items()
        }
        observed = {key: sum(spread.observed.counts) for key, spread in sums.histograms.items()}
        shown = {key: sum(kept.published.counts) for key, kept in sums.histograms.items() if kept.published}
        assert shown == {key: count for key, count in model.published.items() if key[0] == "h"}
        assert observed == {key: count for key, count in model.events.items() if key[0] == "h"}
        open_since = [record.created_at for record in model.records.values() if record.in_flight]
        assert sums.oldest_in_flight == min(open_since, default=None)

    def look_up(self, records: Records) -> None:
        """Assert that every way to find records finds those of the model."""
        all_ = sorted(self.model.records.values(), key=lambda record: record.id.encode())
        assert [record.id for record in records.following("", 9)] == [record.id for record in all_]
        assert list(records.following("B", 1)) == [record for record in all_ if record.id.encode() > b"B"][:1]
        assert records.newest() == max((record.created_at for record in all_), default=None)
        recent = [record for record in all_ if 0.0 < record.created_at <= 100.0]
        listed = sorted((record for record in recent if not record.deleted), key=lambda record: -record.created_at)
        assert list(records.between(0.0, 100.0)) == [(record.id, record.created_at) for record in listed]
        assert records.count_between(0.0, 100.0) == len(recent)
        old = [record for record in all_ if record.created_at < 100.0]
        ended, stuck = [one for one in old if not one.in_flight], [one for one in old if one.in_flight]
        assert sorted(records.finished_before(100.0, 9), key=lambda record: record.id.encode()) == ended
        assert len(records.finished_before(100.0, 1)) == min(1, len(ended))
        assert sorted(records.stuck_before(100.0), key=lambda record: record.id.encode()) == stuck
        assert records.count_in_flight(100.0) == len(stuck)
        opened = list(records.in_flight(50.0, 101.0))
        assert [at for _, at in opened] == sorted((at for _, at in opened), reverse=True)
        assert set(opened) == {(one.id, one.created_at) for one in all_ if one.in_flight and one.created_at >= 50.0}
        named = {one.batch_id for one in all_ if one.created_at >= 50.0 and one.batch_id and not one.deleted}
        assert sorted(records.batches_named_by("x", 50.0)) == sorted(named)


class InSqlite(Machine):
    database = "sqlite"


class InPostgres(Machine):
    database = "postgres"


TestPostgres = pytest.mark.programs(InPostgres.TestCase)
TestPostgres.settings = settings(
    max_examples=examples(20), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSqlite = InSqlite.TestCase
TestSqlite.settings = settings(
    max_examples=examples(25), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
