"""What PackageX's batches add to the families, whatever an answer holds."""

from typing import Any

import pytest

from exporter.systems.packagex import SOURCE
from tests.support.packagex_items import CREATED, batch, envelope, listing, phase, read


def test_a_batch_is_counted_by_what_it_does_how_it_was_made_and_its_status() -> None:
    contributions = read(batch()).contributions
    assert contributions["packagex_batches", "contact", "merge", "mixed", "file", "completed"] == 1
    assert contributions["packagex_batches_finished_total", "contact", "merge", "mixed", "file", "completed"] == 1
    assert contributions["packagex_batch_duration_seconds", "contact"] == 1


@pytest.mark.parametrize("status", ["requested", "queued", "processing", "paused", None])
def test_a_batch_is_in_flight_until_its_status_is_final(status: str | None) -> None:
    record = read(batch(status=status))
    assert record.in_flight
    assert record.finished_at is None
    assert not any(key[0].endswith(("_total", "_seconds")) for key in record.contributions)


@pytest.mark.parametrize("status", ["completed", "failed", "timed_out", "expired", "cancelled", "Timed Out"])
def test_a_final_status_ends_a_batch_at_its_last_update(status: str) -> None:
    record = read(batch(status=status))
    assert not record.in_flight
    assert record.finished_at == CREATED + 90


def test_items_are_counted_by_phase_and_outcome_and_the_rest_is_pending() -> None:
    phases = [phase(total=10, processed=7, success=5, error=2), phase("parsing", total=3, processed=1)]
    contributions = read(batch(phases=phases)).contributions
    items = {key[2:]: count for key, count in contributions.items() if key[0] == "packagex_batch_items"}
    assert items == {
        ("validation", "success"): 5,
        ("validation", "error"): 2,
        ("validation", "pending"): 3,
        ("parsing", "pending"): 2,
    }
    finished = {
        key[2:]: count for key, count in contributions.items() if key[0] == "packagex_batch_items_finished_total"
    }
    assert finished == {("validation", "success"): 5, ("validation", "error"): 2}


def test_outcomes_that_exceed_what_is_said_to_be_processed_leave_nothing_below_zero() -> None:
    contributions = read(batch(phases=[phase(total=3, processed=1, success=2, error=2)])).contributions
    assert ("packagex_batch_items", "contact", "validation", "pending") not in contributions


def test_one_phase_named_twice_is_added_up() -> None:
    contributions = read(batch(phases=[phase(success=1), phase("Validation", success=2)])).contributions
    assert contributions["packagex_batch_items", "contact", "validation", "success"] == 3


def test_changes_are_those_of_the_stats() -> None:
    contributions = read(batch(stats={"created": 4, "deleted": 0, "events": 9, "merged": 1})).contributions
    assert {key[2]: count for key, count in contributions.items() if key[0] == "packagex_batch_changes"} == {
        "created": 4,
        "events": 9,
        "merged": 1,
    }


def test_what_no_page_names_is_shown() -> None:
    contributions = read(
        batch(resource="Pallet", action=None, mode="bulk", phases=[phase("upload", error=1)])
    ).contributions
    assert contributions["packagex_batches", "pallet", "none", "bulk", "file", "completed"] == 1
    assert contributions["packagex_batch_items", "pallet", "upload", "error"] == 1


@pytest.mark.parametrize("absent", ["phases", "stats", "updated_at", "reason"])
@pytest.mark.parametrize("null", [True, False])
def test_what_is_missing_is_nothing(absent: str, null: bool) -> None:
    item = batch(**{absent: None})
    if not null:
        del item[absent]
    assert read(item).created_at == CREATED


@pytest.mark.parametrize(
    "created",
    [
        CREATED,
        float(CREATED),
        CREATED * 1000,
        str(CREATED),
        str(CREATED * 1000),
        f" {CREATED}\n",
        "2023-11-14t22:13:20z",
    ],
)
def test_a_time_is_understood_however_it_is_written(created: Any) -> None:
    assert read(batch(created_at=created)).created_at == CREATED


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": None}, "id"),
        ({"id": "a/b"}, "id"),
        ({"created_at": None}, "created_at"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": -5}, "created_at"),
        ({"created_at": True}, "created_at"),
        ({"created_at": 1e300}, "created_at"),
        ({"created_at": 0}, "created_at"),
        ({"status": 1}, "status"),
        ({"created_at": 10**400}, "created_at"),
        ({"created_at": -(10**400)}, "created_at"),
        ({"created_at": float("inf")}, "created_at"),
        ({"created_at": float("nan")}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "created_at"),
        ({"created_at": [CREATED]}, "created_at"),
    ],
)
def test_a_batch_that_cannot_be_understood_is_rejected_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    page = listing().read_page(envelope(batch(**changed), batch(id="batch_2")))
    assert page.rejected == {reason: 1}
    assert [record.id for record in page.records] == ["batch_2"]
    assert page.rows == 2


@pytest.mark.parametrize("moment", ["soon", -1, 10**400, "0001-01-01T00:00:00Z", [], True])
def test_an_update_that_cannot_be_dated_costs_only_the_date(moment: Any) -> None:
    record = read(batch(updated_at=moment))
    assert (record.finished_at, record.unknown) == (None, ("updated_at",))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"phases": {"parsing": 1}}, "phases"),
        ({"phases": ["parsing"]}, "phases"),
        ({"phases": [phase(success=-1)]}, "phases"),
        ({"phases": [phase(error=1.5)]}, "phases"),
        ({"phases": [phase(7, error=0)]}, "phases"),
        ({"phases": [phase()] * 101}, "phases"),
        ({"stats": [1]}, "stats"),
        ({"stats": {"created": -1}}, "stats"),
        ({"stats": {"created": {}}}, "stats"),
    ],
)
def test_a_figure_that_cannot_be_understood_costs_itself_alone(changed: dict[str, Any], field: str) -> None:
    record = read(batch(status="failed", **changed))
    assert record.unknown == (field,)
    assert record.contributions["packagex_batches_finished_total", "contact", "merge", "mixed", "file", "failed"] == 1


def test_figures_are_integers_however_they_are_written() -> None:
    contributions = read(
        batch(phases=[phase(success=3.0, error="2", total=-1)], stats={"created": 4.0, "deleted": -1})
    ).contributions
    assert contributions["packagex_batch_items_finished_total", "contact", "validation", "success"] == 3
    assert contributions["packagex_batch_items_finished_total", "contact", "validation", "error"] == 2
    assert contributions["packagex_batch_changes", "contact", "created"] == 4


@pytest.mark.parametrize("field", ["resource", "action", "mode", "via"])
@pytest.mark.parametrize("value", [[], 7, True, {}, "\u2709"])
def test_how_a_batch_was_made_is_unknown_where_it_cannot_be_understood(field: str, value: Any) -> None:
    record = read(batch(status="failed", **{field: value}))
    made = {"resource": "contact", "action": "merge", "mode": "mixed", "via": "file"} | {field: "unknown"}
    assert record.contributions["packagex_batches_finished_total", *made.values(), "failed"] == 1


def test_many_phases_and_changes_make_few_series_and_lose_no_failure() -> None:
    phases = [phase(f"p{number}", error=1) for number in range(5000)]
    record = read(batch(phases=phases, stats={f"s{number}": 1 for number in range(5000)}))
    for family, series in (("packagex_batch_items_finished_total", 101), ("packagex_batch_changes", 101)):
        counts = [count for key, count in record.contributions.items() if key[0] == family]
        assert (len(counts), sum(counts)) == (series, 5000)
    assert record.unknown == ("phases", "stats")


def test_keys_have_as_many_values_as_their_family_has_labels() -> None:
    lengths = {family.name: len(family.labels) for family in SOURCE.families}
    record = read(batch(phases=[phase(success=1, total=2)], stats={"created": 1}))
    assert all(lengths[key[0]] == len(key) for key in record.contributions)
    assert {key[0] for key in record.contributions} == {name for name in lengths if "oldest" not in name}
