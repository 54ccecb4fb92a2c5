"""Records and ledger by themselves: after any sequence, and any death in between, the sums are those of a model."""

import tempfile
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from exporter.model.accounting import RECORDS, Rules
from exporter.model.record import Key, Record
from exporter.state import Checkpoint, Observation, prepared
from tests.support.doubles import Killed, MortalState
from tests.support.properties import examples

RULES = Rules(frozenset({"c"}), {"h": (10.0, 100.0)}, {"c": (1, frozenset({"failed"}))})
IDS = st.sampled_from(["a", "b", "c", "d"])
KEYS = st.sampled_from([("g", "x"), ("g", "y"), ("c", "x"), ("c", "failed"), ("h",)])
ADDS = st.dictionaries(KEYS, st.integers(1, 3))
RECORD = st.builds(Record, IDS, st.sampled_from([0.0, 50.0, 100.0]), st.booleans(), ADDS)
SEEN = st.lists(RECORD, max_size=4, unique_by=lambda record: record.id)
LIVES = st.none() | st.integers(0, 25)


class Model:
    """What there is, and what was counted, in the plainest way."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.events: Counter[Key] = Counter()
        self.failed: dict[str, int] = {}
        """By record, how much of it has failed; the one that failed last is the last."""
        self.marks = Checkpoint()

    def copy(self) -> "Model":
        other = Model()
        other.records, other.events, other.marks = dict(self.records), Counter(self.events), self.marks
        other.failed = dict(self.failed)
        return other

    def apply(self, seen: list[Record], deleted: list[str], horizon: float | None, marks: Checkpoint) -> None:
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
        self.marks = marks

    def gauges(self) -> dict[Key, int]:
        sums: Counter[Key] = Counter()
        for record in self.records.values():
            if not record.deleted:
                sums.update({key: more for key, more in record.contributions.items() if key[0] == "g"})
                sums[RECORDS, "in_flight" if record.in_flight else "finished"] += 1
        return dict(sums)


class Machine(RuleBasedStateMachine):
    """One collector's records; each rule opens them again, as each poll does."""

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        self.resources.enter_context(prepared(folder / "state.db"))
        self.state = self.resources.enter_context(closing(MortalState(folder / "state.db")))
        self.model = Model()
        self.turn = 0

    def teardown(self) -> None:
        self.resources.close()

    @rule(seen=SEEN, deleted=st.lists(IDS, max_size=2), horizon=st.sampled_from([None, 0.0, 50.0]), lives=LIVES)
    def apply(self, seen: list[Record], deleted: list[str], horizon: float | None, lives: int | None) -> None:
        self.turn += 1
        after = self.model.copy()
        after.apply(seen, deleted, horizon, replace(self.model.marks, polled_at=float(self.turn)))
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                records.apply(seen, Observation(200.0, horizon), deleted, after.marks)
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
        after.marks = Checkpoint(scope=f"scope {self.turn}")
        self.state.statements = lives
        try:
            with self.state.records("prod", "x", RULES) as records:
                records.start_over(after.marks)
            self.model = after
        except Killed:
            self.find_out_which(after)
        self.look()

    def find_out_which(self, after: Model) -> None:
        """It died before or after it was done, and nowhere in between: `look` finds out which."""
        self.state.statements = None
        with self.state.records("prod", "x", RULES) as records:
            if records.marks == after.marks and set(records.get(["a", "b", "c", "d"])) == set(after.records):
                self.model = after

    def look(self) -> None:
        self.state.statements = None
        with self.state.records("prod", "x", RULES) as records:
            sums, found, marks = records.sums(), records.get(["a", "b", "c", "d"]), records.marks
            failed = records.failures.all()
        model = self.model
        assert found == model.records
        assert marks == model.marks
        assert sums.gauges == model.gauges()
        assert {key: count.counted for key, count in sums.counters.items()} == {
            key: count for key, count in model.events.items() if key[0] == "c"
        }
        assert {record.record_id: record.amounts for record in failed} == {
            name: {("c", "failed"): count} for name, count in model.failed.items()
        }
        observed = {key: sum(spread.observed.counts) for key, spread in sums.histograms.items()}
        assert observed == {key: count for key, count in model.events.items() if key[0] == "h"}
        open_since = [record.created_at for record in model.records.values() if record.in_flight]
        assert sums.oldest_in_flight == min(open_since, default=None)


TestRecords = Machine.TestCase
TestRecords.settings = settings(
    max_examples=examples(25), stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
