"""What Inkit's batches add to the families, and which are in flight."""

from typing import Any

import pytest

from exporter.model.record import Key
from exporter.systems.inkit import SOURCE
from tests.support.inkit_items import batch, events, gauges, generations, invocation, read

GENERATIONS = "inkit_batch_generations_finished_total"


def test_a_batch_adds_itself_its_documents_and_its_generations() -> None:
    record = read(batch(total=5, inkit_storage=generations(completed=3, failed=1, in_progress=1)))
    assert gauges(record) == {
        ("inkit_batches", "document", "completed"): 1,
        ("inkit_batch_documents", "document"): 5,
        ("inkit_batch_generations", "document", "inkit_storage", "completed"): 3,
        ("inkit_batch_generations", "document", "inkit_storage", "failed"): 1,
        ("inkit_batch_generations", "document", "inkit_storage", "in_progress"): 1,
    }


def test_generations_of_a_batch_count_as_they_finish_and_the_batch_when_it_has() -> None:
    open_batch = read(batch(total=5, sepire=generations(completed=3, failed=1, in_progress=1)))
    assert events(open_batch) == {
        ("inkit_batch_generations_finished_total", "document", "sepire", "completed"): 3,
        ("inkit_batch_generations_finished_total", "document", "sepire", "failed"): 1,
    }
    finished = read(batch(total=2, sepire=generations(completed=1, failed=1)))
    assert events(finished) == {
        ("inkit_batches_finished_total", "document", "completed"): 1,
        ("inkit_batch_duration_seconds", "document"): 1,
        ("inkit_batch_generations_finished_total", "document", "sepire", "completed"): 1,
        ("inkit_batch_generations_finished_total", "document", "sepire", "failed"): 1,
    }


def test_a_batch_whose_creation_failed_counts_though_generations_are_open() -> None:
    assert events(read(batch("Failed", sepire=generations(0, in_progress=3)))) == {
        ("inkit_batches_finished_total", "document", "failed"): 1
    }


def test_a_workflow_batch_is_of_its_own_kind() -> None:
    assert ("inkit_batches", "workflow", "completed") in read(batch(), "workflow_batches").contributions


@pytest.mark.parametrize(
    ("item", "in_flight"),
    [
        pytest.param(batch(storage=generations(2)), False, id="all-completed"),
        pytest.param(batch(storage=generations(1, failed=1)), False, id="failed-is-finished-too"),
        pytest.param(batch(storage=generations(1, in_progress=1)), True, id="completed-beside-open-generations"),
        pytest.param(batch(storage=generations(1, count=2)), True, id="a-generation-not-accounted-for"),
        pytest.param(batch(storage=generations(1)), True, id="a-document-not-yet-begun"),
        pytest.param(batch(storage=generations(1), sepire=generations(1)), False, id="split-over-destinations"),
        pytest.param(batch(), True, id="no-destinations-yet"),
        pytest.param(batch(total=0), False, id="nothing-to-do"),
        pytest.param(batch(total=None), False, id="no-total"),
        pytest.param(batch("In Progress", storage=generations(2)), True, id="still-being-created"),
        pytest.param(batch("Requested", storage=generations(2)), True, id="a-word-nobody-has-documented"),
        pytest.param(batch("Failed"), False, id="creation-failed-nothing-will-begin"),
        pytest.param(batch("Failed", storage=generations(in_progress=1)), True, id="creation-failed-with-open-work"),
    ],
)
def test_a_batch_is_finished_when_its_status_is_final_and_no_generation_is_open(
    item: dict[str, Any], in_flight: bool
) -> None:
    assert read(item).in_flight is in_flight


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"total": -1}, "total"),
        ({"total": "two"}, "total"),
        ({"total": 1e400}, "total"),
        ({"destinations": [1]}, "destinations"),
        ({"destinations": "Failed"}, "destinations"),
        ({"destinations": {"sepire": 3}}, "destinations"),
        ({"destinations": {"sepire": {"in_progress": -1}}}, "destinations"),
        ({"destinations": {"sepire": {"count": 1.5}}}, "destinations"),
    ],
)
def test_a_figure_of_a_batch_that_cannot_be_understood_costs_itself_alone(changed: dict[str, Any], field: str) -> None:
    record = read(batch("Failed") | changed)
    assert record.unknown == (field,)
    assert events(record)["inkit_batches_finished_total", "document", "failed"] == 1


def test_figures_beside_one_that_cannot_be_understood_are_counted() -> None:
    record = read(batch(sepire=generations(1) | {"failed": 1.0, "completed": -1}, box=generations(1)))
    assert record.unknown == ("destinations",)
    assert {key[2:]: count for key, count in events(record).items() if key[0] == GENERATIONS} == {
        ("sepire", "failed"): 1,
        ("box", "completed"): 1,
    }


@pytest.mark.parametrize("entry", ["Failed", {"status": "Failed"}])
def test_a_destination_of_a_batch_that_has_a_status_and_no_figures_is_one_generation(entry: Any) -> None:
    record = read(batch(total=3, box=entry))
    assert events(record)[GENERATIONS, "document", "box", "failed"] == 1
    assert (record.in_flight, record.unknown) == (False, ("destinations",))
    assert read(batch(total=3, box="Printing")).in_flight


def test_a_batch_s_figures_are_known_by_any_spelling_of_any_final_status() -> None:
    record = read(batch(total=3, box={"Failed": 1, "FAILED": 1, "Timed Out": 1, "error": "none", "pages": -5}))
    assert {key[3]: count for key, count in events(record).items() if key[0] == GENERATIONS} == {
        "failed": 2,
        "timed_out": 1,
    }
    assert record.unknown == ()


def test_keys_have_as_many_values_as_their_family_has_labels() -> None:
    lengths = {family.name: len(family.labels) for family in SOURCE.families}
    keys: list[Key] = [*read(batch(sepire=generations(1))).contributions]
    keys += read(invocation(sepire="Failed"), "invocations", workflow_label=True).contributions
    assert all(lengths[key[0]] == len(key) for key in keys)
