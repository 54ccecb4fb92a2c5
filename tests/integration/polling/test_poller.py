"""Polls of a mock API: what ends up in the gauges, and what a failure changes and does not."""

import logging
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from exporter.demo.faults import Fault, ListFaults
from exporter.demo.items import document_batch, generations, invocation, workflow_batch
from exporter.demo.listing import Readings
from exporter.demo.server import MockApi
from exporter.demo.simulation import Simulation
from exporter.exposition.snapshot import CollectorSnapshot
from exporter.model.accounting import Rules
from exporter.model.record import Key, Reason, StateError
from exporter.polling.poller import Poller
from exporter.state import Records, Sizes, State
from tests.support import faults
from tests.support.driving import drive
from tests.support.rig import DAY, HOUR, NOW, TOKEN, Rig, own_counters
from tests.support.state_file import other_program


class LosesAnswers:
    """A state that does not answer: what was to be counted may have arrived or not."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.arrives: bool | None = None
        """None: it answers."""

    @contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        with self._state.records(account, collector, rules) as records:
            count = records.count

            def counts(events: Mapping[Key, int]) -> None:
                if self.arrives is not False:
                    count(events)
                if self.arrives is not None:
                    raise StateError("no answer", passing=True)

            records.count = counts  # type: ignore[method-assign]
            yield records

    def sizes(self) -> Sizes | None: ...


@pytest.mark.parametrize("lost", [(True,), (False,), (True, False, True), (False, True), (True, True)])
def test_a_failed_poll_is_counted_once_though_it_is_not_known_whether_the_state_has_it(
    rig: Rig, lost: tuple[bool, ...]
) -> None:
    state = LosesAnswers(rig.state)
    rig.state = state  # type: ignore[assignment]
    poller = rig.poller("document_batches")
    rig.mock_api.faults.add(faults.status(401), times=len(lost) + 1)
    for arrives in (*lost, None):
        state.arrives = arrives
        assert not poller.poll()
    state.arrives = None
    assert poller.poll()
    assert own_counters(rig.state, rig.account, "document_batches").poll_errors == {Reason.AUTH: len(lost) + 1}


def shown(rig: Rig, poller: Poller) -> CollectorSnapshot:
    return next(made for made in rig.store.snapshot.collectors if made.collector == poller.status.collector)


def gauge(rig: Rig, poller: Poller, family: str) -> Mapping[str, float]:
    """Return the series of a family that are not 0, without the account."""
    block = shown(rig, poller).gauges.get(family)
    pairs = (line.rsplit(" ", 1) for line in (block.text.decode().splitlines() if block else ()))
    return {name: float(value) for name, value in pairs if float(value)}


def independent_count(rig: Rig, since: float) -> Counter[Key]:
    """Return the gauges, counted from the world's own items without the exporter's code."""
    from datetime import datetime

    counted: Counter[Key] = Counter()
    for kind, collector in (("document", "document_batches"), ("workflow", "workflow_batches")):
        for item in rig.world.items(collector):  # type: ignore[arg-type]
            if datetime.fromisoformat(item["created_at"]).timestamp() < since:
                continue
            counted["inkit_batches", kind, item["status"].lower().replace(" ", "_")] += 1
            counted["inkit_batch_documents", kind] += item["total"]
            for name, counts in item["destinations"].items():
                for status in ("completed", "failed", "in_progress"):
                    counted["inkit_batch_generations", kind, name, status] += counts[status]
    for item in rig.world.items("invocations"):
        if datetime.fromisoformat(item["created_at"]).timestamp() < since:
            continue
        status, rollup = (item[key].lower().replace(" ", "_") for key in ("status", "destination_status"))
        counted["inkit_invocations", status, rollup] += 1
        for name, delivery in item["destinations"].items():
            counted["inkit_invocation_generations", name, delivery["status"].lower().replace(" ", "_")] += 1
    return +counted


def vendor_totals(rig: Rig) -> Counter[Key]:
    found: Counter[Key] = Counter()
    for collector in ("document_batches", "workflow_batches", "invocations"):
        found.update({key: n for key, n in rig.sums(collector).gauges.items() if key[0].startswith("inkit_")})
    return found


def test_a_random_world_of_thousands_of_records_is_counted_exactly_while_it_moves(rig: Rig) -> None:
    simulation = Simulation(rig.world, random.Random(3), stuck_from=NOW)
    simulation.history(NOW, days=5, records=3000)
    pollers = [rig.poller(name) for name in ("document_batches", "workflow_batches", "invocations")]
    for _ in range(6):
        assert all(poller.poll() for poller in pollers)
        assert vendor_totals(rig) == independent_count(rig, rig.clock.now - 7 * DAY)
        rig.clock.now += 60
        simulation.step(rig.clock.now)


def test_gauges_are_absent_until_the_window_has_been_read_once(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    poller.publish()
    assert shown(rig, poller).gauges == {}
    assert shown(rig, poller).status.backfilling
    rig.mock_api.faults.add(faults.status(500), times=3)
    assert not poller.poll()
    assert shown(rig, poller).gauges == {}
    assert poller.poll()
    assert "inkit_batches" in shown(rig, poller).gauges
    assert not shown(rig, poller).status.backfilling


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(faults.status(401), Reason.AUTH, id="401"),
        pytest.param(faults.status(429), Reason.RATE_LIMITED, id="429"),
        pytest.param(faults.status(500), Reason.SERVER_ERROR, id="500"),
        pytest.param(faults.status(422), Reason.CLIENT_ERROR, id="422"),
        pytest.param(faults.html(), Reason.MALFORMED, id="html"),
        pytest.param(faults.raw(b"null"), Reason.MALFORMED, id="null"),
        pytest.param(faults.raw(b"[]"), Reason.MALFORMED, id="list"),
        pytest.param(faults.raw(b'{"items": 3}'), Reason.MALFORMED, id="items-are-a-number"),
        pytest.param(faults.truncated(), Reason.CONNECTION, id="truncated"),
        pytest.param(faults.reset(), Reason.CONNECTION, id="reset"),
    ],
)
def test_a_failed_poll_keeps_the_last_numbers_and_the_next_good_one_heals_it(
    rig: Rig, fault: Fault, reason: Reason
) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    poller = rig.poller("document_batches")
    poller.poll()
    before = shown(rig, poller)
    rig.world.add("document_batches", document_batch("rb_2", NOW))
    rig.mock_api.faults.add(fault)
    rig.clock.now += 60

    assert not poller.poll()
    after = shown(rig, poller)
    assert after.gauges == before.gauges
    assert after.fresh_until == before.fresh_until
    assert after.status.up is False
    assert rig.own(poller).poll_errors == {reason: 1}
    assert b'batch_exporter_up{account="prod",collector="document_batches",system="inkit"} 0.0\n' in (
        after.status_gauges["batch_exporter_up"].text
    )

    rig.mock_api.faults.clear()
    assert poller.poll()
    assert gauge(rig, poller, "inkit_batches") == {
        'inkit_batches{account="prod",kind="document",status="completed"}': 2.0
    }
    assert shown(rig, poller).fresh_until > before.fresh_until


def test_numbers_of_a_half_read_list_are_not_shown(rig: Rig) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n) for n in range(100)])
    poller = rig.poller("document_batches", page_size=25)
    rig.mock_api.faults.list_faults = ListFaults(
        before_page=lambda kind, page: rig.mock_api.faults.add(faults.status(500)) if page == 2 else None
    )
    assert not poller.poll()
    assert shown(rig, poller).gauges == {}


def test_a_record_that_cannot_be_understood_is_counted_and_stops_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    for number in range(20):
        rig.world.add("document_batches", {**document_batch(f"rb_bad_{number}", NOW), "status": ["CANARY"]})
    poller = rig.poller("document_batches")
    with caplog.at_level(logging.WARNING):
        assert poller.poll()
    assert rig.own(poller).rejected == {"status": 20}
    assert gauge(rig, poller, "inkit_batches") == {
        'inkit_batches{account="prod",kind="document",status="completed"}': 1.0
    }
    assert len(caplog.records) == 1, "once a poll, however many they are"
    assert "CANARY" not in str([vars(record) for record in caplog.records])


def test_unknown_statuses_and_destinations_are_shown_and_counted_once(rig: Rig) -> None:
    destinations = {"Carrier Pigeon": generations(2, completed=2)}
    rig.world.add("document_batches", document_batch("rb_1", NOW, destinations=destinations, status="Half Done"))
    poller = rig.poller("document_batches")
    poller.poll()
    poller.poll()
    assert gauge(rig, poller, "inkit_batches") == {
        'inkit_batches{account="prod",kind="document",status="half_done"}': 1.0
    }
    assert gauge(rig, poller, "inkit_batch_generations") == {
        'inkit_batch_generations{account="prod",destination="carrier_pigeon",kind="document",status="completed"}': 2.0
    }
    assert rig.own(poller).unknown_values == {"status": 1, "destination": 1}


def test_finished_records_leave_with_the_window_and_those_in_flight_stay(rig: Rig) -> None:
    rig.world.add("document_batches", document_batch("rb_done", NOW - DAY))
    rig.world.add("document_batches", document_batch("rb_open", NOW - DAY, status="In Progress"))
    poller = rig.poller("document_batches", lookback=2 * DAY)
    poller.poll()
    rig.clock.now += 2 * DAY
    poller.poll()
    assert gauge(rig, poller, "inkit_batches") == {
        'inkit_batches{account="prod",kind="document",status="in_progress"}': 1.0
    }


def test_a_record_that_the_api_no_longer_has_leaves_and_is_counted(rig: Rig) -> None:
    rig.world.add("invocations", invocation("rend_1", NOW))
    rig.world.add("invocations", invocation("rend_2", NOW))
    poller = rig.poller("invocations")
    poller.poll()
    rig.world.remove("invocations", "rend_1")
    poller.poll()
    assert rig.own(poller).vanished == 0, "one answer that says so is not believed"
    poller.poll()
    assert list(gauge(rig, poller, "inkit_invocations").values()) == [1.0]
    assert rig.own(poller).vanished == 1


def test_a_record_pulled_up_by_a_deletion_while_reading_was_not_deleted(rig: Rig) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n * 60) for n in range(60)])
    poller = rig.poller("document_batches", page_size=25)
    poller.poll()

    def delete(kind: str, page: int) -> None:
        if page == 2 and rig.world.get("document_batches", "rb_0"):
            rig.world.remove("document_batches", "rb_0")

    rig.mock_api.faults.list_faults = ListFaults(before_page=delete)
    rig.clock.now += HOUR
    assert poller.poll()
    assert sum(gauge(rig, poller, "inkit_batches").values()) == 60, "the deleted one was read before it was deleted"
    assert rig.own(poller).vanished == 0
    assert "/batch/rb_25" in [request.path for request in rig.mock_api.requests], "the one that moved up was asked for"
    rig.mock_api.faults.clear()
    rig.clock.now += HOUR
    assert poller.poll()
    assert poller.poll()
    assert sum(gauge(rig, poller, "inkit_batches").values()) == 59
    assert rig.own(poller).vanished == 1


@pytest.mark.parametrize("code", [404, 405])
def test_where_the_list_is_missing_batches_are_asked_for_by_the_ids_that_are_known(
    rig: Rig, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2, 3):
        rig.world.add("workflow_batches", workflow_batch(f"fb_{number}", NOW))
    rig.world.add("invocations", invocation("rend_1", NOW, batch_id="fb_1"))
    rig.world.add("invocations", invocation("rend_2", NOW, batch_id="fb_1"))
    rig.world.add("invocations", invocation("rend_3", NOW, batch_id="fb_gone"))
    old = MockApi(rig.world, TOKEN, readings=Readings(workflow_batch_list=code))  # type: ignore[arg-type]
    rig.mock_api, served = old, rig.mock_api
    with old:
        rig.poller("invocations").poll()
        poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_2",))
        assert poller.poll()
        assert poller.poll()
        assert sum(gauge(rig, poller, "inkit_batches").values()) == 2
        assert caplog.text.count("list endpoint not available") == 1
    rig.mock_api = served


def test_a_missing_list_of_anything_else_is_a_failure(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.status(404))
    poller = rig.poller("document_batches")
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {Reason.CLIENT_ERROR: 1}


def test_customers_data_reaches_neither_state_nor_snapshot(rig: Rig) -> None:
    rig.world.add("invocations", invocation("rend_1", NOW, merge_parameters={"name": "CANARY"}))
    poller = rig.poller("invocations", workflow_label=True)
    poller.poll()
    assert "CANARY" not in repr(rig.store.snapshot)
    assert all(b"CANARY" not in path.read_bytes() for path in rig.state.path.parent.iterdir())


def test_a_state_that_cannot_be_written_fails_the_poll_and_heals(rig: Rig) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    poller = rig.poller("document_batches")
    assert poller.poll()
    moved = rig.state.path.parent / "elsewhere"
    rig.state.path.rename(moved)
    rig.state.path.mkdir()
    rig.clock.now += 60
    assert not poller.poll()
    assert poller.status.reason is Reason.STATE
    assert b'reason="state",system="inkit"} 1.0' in shown(rig, poller).counters["batch_exporter_poll_errors_total"].text
    rig.state.path.rmdir()
    moved.rename(rig.state.path)
    assert poller.poll()
    assert b'reason="state",system="inkit"} 1.0' in shown(rig, poller).counters["batch_exporter_poll_errors_total"].text


def test_a_state_that_another_program_has_locked_is_a_reason_of_its_own_and_heals(rig: Rig) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    poller = rig.poller("document_batches")
    assert poller.poll()
    rig.clock.now += 60
    with other_program(rig.state.path, "BEGIN IMMEDIATE"):
        assert not poller.poll()
    assert poller.status.reason is Reason.STATE_LOCKED
    assert poll_errors(rig, poller) == {Reason.STATE_LOCKED: 1.0}
    rig.clock.now += 60
    assert poller.poll()
    assert poll_errors(rig, poller) == {Reason.STATE_LOCKED: 1.0}
    assert not rig.own(poller).poll_errors, "it could not be written"


def poll_errors(rig: Rig, poller: Poller) -> dict[str, float]:
    """Return the failed polls that are shown, by reason."""
    lines = shown(rig, poller).counters["batch_exporter_poll_errors_total"].text.decode()
    found = re.findall(r'reason="(\w+)".* (\S+)$', lines, re.MULTILINE)
    return {reason: float(value) for reason, value in found if float(value)}


def test_a_poller_stops_when_told_and_polls_in_step_with_its_interval(rig: Rig) -> None:
    poller = rig.poller("document_batches")
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        rig.clock.now += seconds
        return len(pauses) > 3

    drive(poller, wait, rig.clock, first=0.5)
    assert pauses == [0.5, 60.0, 60.0, 60.0]
    assert len(rig.mock_api.requests) == 3


def stuck_when(rig: Rig, poller: Poller, until: float) -> list[tuple[float, float]]:
    """Run the poller for so many seconds. Returns after how many seconds how many records were shown as stuck."""
    found: list[tuple[float, float]] = []

    def wait(seconds: float) -> bool:
        lines = rig.lines(poller, "batch_exporter_records_stuck") if rig.store.snapshot.collectors else []
        for number in [float(line.rpartition(" ")[2]) for line in lines]:
            if not found or found[-1][1] != number:
                found.append((round(rig.clock.now - NOW, 3), number))
        rig.clock.now += seconds
        return rig.clock.now >= NOW + until

    drive(poller, wait, rig.clock)
    return found


def test_a_record_is_stuck_as_soon_as_it_is_as_old_as_stuck_after_and_not_at_the_next_poll_only(rig: Rig) -> None:
    for number, seconds in enumerate((-5.0, 20.0, 35.5, 60.0, 100.0, 900.0)):
        made = document_batch(f"rb_{number}", NOW - HOUR + seconds, destinations={"sepire": generations(1)})
        rig.world.add("document_batches", made)
    shown = stuck_when(rig, rig.poller("document_batches"), 700.0)
    assert shown == [(0.0, 1.0), (20.0, 2.0), (35.5, 3.0), (60.0, 4.0), (100.0, 5.0)]


def test_a_record_is_stuck_also_while_polls_fail_after_a_restart_until_the_gauges_are_dropped(rig: Rig) -> None:
    for number, seconds in enumerate((20.0, 100.0, 599.0, 601.0)):
        made = document_batch(f"rb_{number}", NOW - HOUR + seconds, destinations={"sepire": generations(1)})
        rig.world.add("document_batches", made)
    assert rig.poller("document_batches").poll()
    rig.mock_api.faults.add(faults.status(401))
    poller = rig.poller("document_batches")
    poller.restore()
    poller.publish()
    assert stuck_when(rig, poller, 1000.0)[:4] == [(0.0, 0.0), (20.0, 1.0), (100.0, 2.0), (599.0, 3.0)]


def test_a_list_that_appears_is_read_as_a_backfill_and_one_that_disappears_is_a_failure(rig: Rig) -> None:
    failed = {"inkit_storage": generations(2, failed=2)}
    rig.world.add("workflow_batches", workflow_batch("fb_1", NOW, destinations=failed))
    rig.world.add("workflow_batches", workflow_batch("fb_never_named", NOW, destinations=failed))
    poller = rig.poller("workflow_batches", workflow_batch_ids=("fb_1",))
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    poller.poll()
    assert sum(gauge(rig, poller, "inkit_batches").values()) == 1
    rig.mock_api.faults.clear()
    rig.clock.now += HOUR
    poller.poll()
    rig.clock.now += 60
    poller.poll()
    assert sum(gauge(rig, poller, "inkit_batches").values()) == 2
    assert gauge(rig, poller, "inkit_batches_finished_total") == {}
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    assert not poller.poll()
    assert rig.own(poller).poll_errors == {Reason.CLIENT_ERROR: 1}
