"""What scrapers are told of when counters began, and that a new series then begins with its first event."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from exporter.demo.items import invocation
from exporter.model.accounting import Rules
from exporter.model.record import Key, StateError
from exporter.polling.poller import Poller
from exporter.state import Records
from tests.support.rig import NOW, Rig

INTERVAL = 60.0
FAMILY = "inkit_invocation_generations_finished_total"


def begin(rig: Rig, *, told: bool = True) -> Poller:
    """Return the poller of a program that has just started and exposes what it restored."""
    poller = rig.poller("invocations", created_timestamps=told)
    poller.restore()
    poller.publish()
    return poller


def polled(rig: Rig, poller: Poller, *, scraped: bool = True, after: float = INTERVAL) -> None:
    """Let some time pass, with a scrape in the middle of it, and then poll."""
    rig.clock.now += after / 2
    if scraped:
        rig.store.scraped(rig.clock.now)
    rig.clock.now += after / 2
    assert poller.poll()


def fail(rig: Rig, name: str, destination: str = "pigeon") -> None:
    rig.world.add("invocations", invocation(name, rig.clock.now, destinations={destination: "Failed"}))


def value(rig: Rig, poller: Poller, destination: str = "pigeon") -> float | None:
    found = rig.series(poller, FAMILY)
    return found.get((destination, "failed"))


def start(rig: Rig, poller: Poller, destination: str = "pigeon") -> float | None:
    """Return the start of a series of failures in OpenMetrics; None if it has none."""
    name = FAMILY.removesuffix("_total") + "_created"
    pattern = rf'^{name}\{{.*destination="{destination}",status="failed"\}} (\S+)$'
    found = [match[1] for line in rig.lines(poller, FAMILY, openmetrics=True) if (match := re.match(pattern, line))]
    assert len(found) <= 1
    return float(found[0]) if found else None


def test_the_first_event_of_a_new_series_is_exposed_by_the_poll_that_sees_it_with_the_time_at_which_it_was_0(
    rig: Rig,
) -> None:
    poller = begin(rig)
    polled(rig, poller)
    fail(rig, "rend_1")
    polled(rig, poller)
    assert (value(rig, poller), start(rig, poller)) == (1.0, rig.clock.now)
    began = rig.clock.now
    fail(rig, "rend_2")
    polled(rig, poller)
    assert (value(rig, poller), start(rig, poller)) == (2.0, began)


def test_without_it_a_new_series_stands_at_0_first_and_nothing_is_told(rig: Rig) -> None:
    poller = begin(rig, told=False)
    polled(rig, poller)
    fail(rig, "rend_1")
    polled(rig, poller)
    assert (value(rig, poller), start(rig, poller)) == (0.0, None)
    polled(rig, poller)
    assert (value(rig, poller), start(rig, poller)) == (1.0, None)
    assert not any("_created" in line for line in rig.lines(poller, FAMILY, openmetrics=True))


def test_a_series_that_is_exposed_at_0_began_with_its_collector_and_rises_as_ever(rig: Rig) -> None:
    poller = begin(rig)
    assert start(rig, poller, "box") == NOW
    polled(rig, poller)
    fail(rig, "rend_1", "box")
    polled(rig, poller)
    assert (value(rig, poller, "box"), start(rig, poller, "box")) == (1.0, NOW)


def test_histograms_and_counters_about_polling_have_their_starts_too_and_the_text_format_has_none(rig: Rig) -> None:
    poller = begin(rig)
    polled(rig, poller)
    rig.world.add("invocations", invocation("rend_1", rig.clock.now))
    polled(rig, poller)
    for family in ("inkit_invocation_duration_seconds", "batch_exporter_records_rejected_total"):
        name = family.removesuffix("_total") + "_created"
        assert any(line.startswith(name) for line in rig.lines(poller, family, openmetrics=True))
        assert not any(line.startswith(name) for line in rig.lines(poller, family))
    # The state can't keep those, so they start over in each program.
    errors = rig.lines(poller, "batch_exporter_poll_errors_total", openmetrics=True)
    assert [line for line in errors if line.startswith("batch_exporter_poll_errors_created") and '"state' in line] == []


def test_the_next_program_tells_no_start_until_scrapes_have_seen_its_values_and_then_that_of_the_collector(
    rig: Rig,
) -> None:
    first = begin(rig)
    polled(rig, first)
    fail(rig, "rend_1")
    polled(rig, first)
    polled(rig, first)
    second = begin(rig)
    assert (value(rig, second), start(rig, second)) == (1.0, None)
    polled(rig, second)
    assert start(rig, second) is None
    polled(rig, second)
    assert (value(rig, second), start(rig, second)) == (1.0, NOW)
    third = begin(rig)
    polled(rig, third)
    polled(rig, third)
    assert start(rig, third) == NOW


def test_the_start_of_a_new_series_that_nobody_has_seen_is_told_by_the_next_program_at_once(rig: Rig) -> None:
    first = begin(rig)
    polled(rig, first)
    fail(rig, "rend_1")
    polled(rig, first)
    began = rig.clock.now
    rig.clock.now += 5
    second = begin(rig)
    assert (value(rig, second), start(rig, second)) == (1.0, began)
    assert start(rig, second, "box") is None


def test_a_state_of_an_older_version_has_no_start_and_its_new_series_have(rig: Rig) -> None:
    first = begin(rig, told=False)
    polled(rig, first)
    fail(rig, "rend_1")
    polled(rig, first)
    polled(rig, first)
    with rig.state.records(rig.account, "invocations", Rules()) as records:
        records.save_checkpoint(replace(records.checkpoint, counting_since=None))
    second = begin(rig)
    for _ in range(3):
        polled(rig, second)
    assert (value(rig, second), start(rig, second)) == (1.0, None)
    fail(rig, "rend_2", "crow")
    polled(rig, second)
    assert (value(rig, second, "crow"), start(rig, second, "crow")) == (1.0, rig.clock.now)


def test_while_nobody_scrapes_a_new_series_waits_as_all_others_do(rig: Rig) -> None:
    poller = begin(rig)
    polled(rig, poller)
    polled(rig, poller, scraped=False, after=600)
    fail(rig, "rend_1")
    polled(rig, poller, scraped=False)
    assert value(rig, poller) == 0.0


@pytest.mark.parametrize("filters", [{"search": "letter"}])
def test_a_new_backfill_does_not_change_since_when_a_collector_counts(rig: Rig, filters: dict[str, str]) -> None:
    poller = begin(rig)
    polled(rig, poller)
    rig.clock.now += 1000
    other = rig.poller("invocations", scope="another", created_timestamps=True, filters=filters)
    other.restore()
    other.publish()
    polled(rig, other)
    polled(rig, other)
    assert start(rig, other, "box") == NOW


def test_the_start_of_a_new_series_is_told_though_the_state_did_not_answer_that_it_was_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rise was written all the same, so that the next poll finds nothing that rises."""
    poller = begin(rig)
    polled(rig, poller)
    fail(rig, "rend_1")
    write = Records.publish

    def lost(records: Records, keys: Sequence[Key], at: float, starting: Iterable[Key] = ()) -> None:
        write(records, keys, at, starting)
        raise StateError("the connection was closed")

    with monkeypatch.context() as patched:
        patched.setattr(Records, "publish", lost)
        rig.clock.now += INTERVAL
        rig.store.scraped(rig.clock.now - 1)
        assert not poller.poll()
        began = rig.clock.now
        assert value(rig, poller) in (None, 0.0)
    polled(rig, poller)
    assert (value(rig, poller), start(rig, poller)) == (1.0, began)
