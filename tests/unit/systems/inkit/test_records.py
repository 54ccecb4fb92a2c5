"""What Inkit's records mean: the seeds' examples, and the rules for what is still in flight."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.systems.base import Listing, Options
from exporter.systems.inkit.records import SOURCE
from tests.support.odd import ANY_JSON


def listing(collector: str, **options: Any) -> Listing:
    return SOURCE.listing(collector, Options(**options))


def batch(status: Any = "Completed", total: Any = 2, **destinations: Any) -> dict[str, Any]:
    return {
        "created_at": "2023-09-06T14:07:55.732858Z",
        "destinations": destinations,
        "id": "rb_1",
        "name": None,
        "status": status,
        "total": total,
    }


def generations(completed: int = 0, failed: int = 0, in_progress: int = 0, count: int | None = None) -> dict[str, Any]:
    counted = completed + failed + in_progress if count is None else count
    return {
        "completed": completed,
        "count": counted,
        "failed": failed,
        "in_progress": in_progress,
        "status": "completed",
    }


def invocation(status: str = "Completed", rollup: str | None = "Completed", **destinations: str) -> dict[str, Any]:
    return {
        "created_at": "2023-11-07T02:31:22.232287Z",
        "destination_status": rollup,
        "destinations": {name: {"status": one} for name, one in destinations.items()},
        "flow_name": "Welcome letter",
        "flows_batch_id": None,
        "id": "rend_1",
        "merge_parameters": {"name": "CANARY"},
        "status": status,
    }


def read(item: Mapping[str, Any], collector: str = "document_batches", **options: Any) -> Record:
    page = listing(collector, **options).read_page({"items": [item]})
    assert not page.rejected
    return page.records[0]


def gauges(record: Record) -> Mapping[Key, int]:
    rules = Rules.of(SOURCE.families)
    return {key: count for key, count in record.contributions.items() if rules.is_gauge(key)}


def events(record: Record) -> Mapping[Key, int]:
    rules = Rules.of(SOURCE.families)
    return {key: count for key, count in record.contributions.items() if not rules.is_gauge(key)}


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


INVOCATIONS = "inkit_invocations_finished_total"
DELIVERIES = "inkit_invocation_generations_finished_total"
GENERATIONS = "inkit_batch_generations_finished_total"
DURATION = ("inkit_invocation_duration_seconds",)


@pytest.mark.parametrize(
    ("item", "counted"),
    [
        pytest.param(
            invocation(rollup="In Progress", sepire="Failed", box="In Progress"),
            {(DELIVERIES, "sepire", "failed")},
            id="a-delivery-that-failed-beside-one-that-is-open",
        ),
        pytest.param(
            invocation(rollup="Failed", sepire="Failed"),
            {(INVOCATIONS, "completed"), DURATION, (DELIVERIES, "sepire", "failed")},
            id="completed-with-a-delivery-that-failed",
        ),
        pytest.param(
            invocation("Failed", "In Progress", sepire="In Progress"),
            {(INVOCATIONS, "failed")},
            id="failed-beside-a-delivery-that-is-open",
        ),
        pytest.param(
            invocation("Failed", "In Progress"), {(INVOCATIONS, "failed")}, id="failed-with-an-open-roll-up-alone"
        ),
        pytest.param(
            invocation("Failed", "Failed"),
            {(INVOCATIONS, "failed"), DURATION, (DELIVERIES, "none", "failed")},
            id="failed-with-deliveries-that-no-destination-names",
        ),
        pytest.param(
            invocation("Completed", "Timed Out", sepire="Completed"),
            {
                (INVOCATIONS, "completed"),
                DURATION,
                (DELIVERIES, "sepire", "completed"),
                (DELIVERIES, "none", "timed_out"),
            },
            id="a-roll-up-that-failed-and-no-destination-says-so",
        ),
        pytest.param(
            invocation("Canceled", "In Progress", sepire="In Progress"), set(), id="canceled-with-a-delivery-open"
        ),
        pytest.param(
            invocation("Canceled", None), {(INVOCATIONS, "canceled"), DURATION}, id="canceled-without-deliveries"
        ),
    ],
)
def test_a_failure_counts_whatever_else_is_open_and_all_else_when_nothing_is(
    item: Mapping[str, Any], counted: set[Key]
) -> None:
    assert events(read(item, "invocations")) == dict.fromkeys(counted, 1)


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
        pytest.param(batch(total=None), False, id="total-not-said"),
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
    ("item", "in_flight"),
    [
        pytest.param(invocation(inkit_storage="Completed"), False, id="completed"),
        pytest.param(invocation(rollup="Failed", inkit_storage="Completed", sepire="Failed"), False, id="failed"),
        pytest.param(invocation(inkit_storage="Completed", sepire="In Progress"), True, id="a-delivery-is-open"),
        pytest.param(invocation("In Progress", inkit_storage="Completed"), True, id="the-workflow-is-open"),
        pytest.param(invocation(rollup="In Progress"), True, id="deliveries-have-not-begun"),
        pytest.param(invocation(rollup=None), False, id="without-deliveries"),
        pytest.param(invocation(rollup="Partly", inkit_storage="Completed"), False, id="destinations-outweigh-rollup"),
        pytest.param(invocation(inkit_storage="Queued"), True, id="a-word-nobody-has-documented"),
    ],
)
def test_an_invocation_is_finished_when_its_status_and_its_deliveries_are_final(
    item: dict[str, Any], in_flight: bool
) -> None:
    assert read(item, "invocations").in_flight is in_flight


def test_an_invocation_adds_itself_and_a_generation_for_each_destination() -> None:
    record = read(invocation(rollup="Failed", inkit_storage="Completed", sepire="Failed"), "invocations")
    assert gauges(record) == {
        ("inkit_invocations", "completed", "failed"): 1,
        ("inkit_invocation_generations", "inkit_storage", "completed"): 1,
        ("inkit_invocation_generations", "sepire", "failed"): 1,
    }


def test_the_workflow_is_a_label_only_where_the_account_asks_for_it() -> None:
    record = read(invocation(inkit_storage="Completed"), "invocations", workflow_label=True)
    assert set(gauges(record)) == {
        ("inkit_invocations", "completed", "completed", "Welcome letter"),
        ("inkit_invocation_generations", "inkit_storage", "completed", "Welcome letter"),
    }


def test_customers_data_is_not_in_the_record() -> None:
    assert "CANARY" not in repr(read(invocation(), "invocations", workflow_label=True))


def test_an_invocation_names_the_batch_it_is_part_of() -> None:
    assert read({**invocation(), "flows_batch_id": "fb_7"}, "invocations").batch_id == "fb_7"


def test_every_parameter_of_the_reference_is_sent() -> None:
    filters = {"search": "x", "destination_name": "sepire", "destination_status": "Failed"}
    for collector, path in (
        ("document_batches", "/batch"),
        ("workflow_batches", "/invoke/batch"),
        ("invocations", "/invoke"),
    ):
        asked = listing(collector, filters=filters)
        request = asked.page(3, 50)
        assert request.path == request.endpoint == path
        assert request.params == {"page": "3", "page_size": "50", **filters}
        assert asked.sorting == {"sort": "-created_at"}


def test_batches_are_asked_for_one_by_one_and_invocations_in_chunks() -> None:
    assert [one.path for one in listing("workflow_batches").ask(["fb_1", "fb_2"])] == [
        "/invoke/batch/fb_1",
        "/invoke/batch/fb_2",
    ]
    chunks = listing("invocations").ask([f"rend_{number}" for number in range(120)])
    assert [one.params["data_id"].count(",") + 1 for one in chunks] == [50, 50, 20]


def test_an_id_never_becomes_an_endpoint_label() -> None:
    assert {one.endpoint for one in listing("document_batches").ask(["rb_1", "rb_2"])} == {"/batch/{id}"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": None}, "id"),
        ({"id": "a/b"}, "id"),
        ({"created_at": 12}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "created_at"),
        ({"status": 1}, "status"),
    ],
)
def test_a_batch_that_cannot_be_understood_is_rejected_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    page = listing("document_batches").read_page({"items": [{**batch(), **changed}, batch()]})
    assert page.rejected == {reason: 1}
    assert len(page.records) == 1
    assert page.rows == 2


@pytest.mark.parametrize("pagination", [None, 3, [], {}, {"next_page": "x", "page_count": "y"}, {"page_count": -1}])
def test_a_list_without_usable_paging_is_still_read(pagination: object) -> None:
    page = listing("document_batches").read_page({"items": [batch()], "metadata": {"pagination": pagination}})
    assert len(page.records) == 1
    assert page.pages is None


@pytest.mark.parametrize("collector", SOURCE.system.collectors)
@given(item=ANY_JSON)
def test_whatever_an_item_is_it_is_a_record_or_rejected(collector: str, item: Any) -> None:
    page = listing(collector).read_page({"items": [item]})
    assert len(page.records) + sum(page.rejected.values()) == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"total": -1}, "total"),
        ({"total": "two"}, "total"),
        ({"total": 1e400}, "total"),
        ({"destinations": []}, "destinations"),
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


def test_names_of_every_script_are_kept_and_those_that_are_alike_after_all_are_added_up() -> None:
    offices = {"\u6771\u4eac\u652f\u5e97": "Failed", "\u5927\u962a\u652f\u5e97": "Completed"}
    alike = {"Sales/EU": "Failed", "sales-eu": "Completed", "\uff33ales eu": "Failed"}
    record = read(invocation(rollup="Failed", **offices, **alike), "invocations")
    deliveries = {key[1:]: count for key, count in events(record).items() if key[0] == DELIVERIES}
    assert deliveries == {
        ("\u6771\u4eac\u652f\u5e97", "failed"): 1,
        ("\u5927\u962a\u652f\u5e97", "completed"): 1,
        ("sales_eu", "failed"): 2,
        ("sales_eu", "completed"): 1,
    }
    both = read(batch(total=4, **{name: generations(1, 1) for name in ("Sales/EU", "sales-eu")}))
    assert events(both)[GENERATIONS, "document", "sales_eu", "failed"] == 2


def test_what_has_no_letter_is_unknown_and_not_none() -> None:
    record = read(invocation("Failed", rollup="\u2705", **{"\u2709": "Failed", "": "Failed"}), "invocations")
    assert gauges(record)["inkit_invocations", "failed", "unknown"] == 1
    assert events(record)[DELIVERIES, "unknown", "failed"] == 2


@pytest.mark.parametrize("entry", ["Failed", {"status": "Failed"}, {"status": "FAILED", "box_piece_id": "x"}])
def test_a_delivery_is_read_with_its_status_as_an_entry_or_alone(entry: Any) -> None:
    record = read(invocation(rollup="Failed") | {"destinations": {"box": entry}}, "invocations")
    assert events(record)[DELIVERIES, "box", "failed"] == 1
    assert record.unknown == ()


@pytest.mark.parametrize("entry", [3, [], True, {"status": 3}])
def test_a_delivery_whose_status_can_not_be_understood_is_open_and_the_others_count(entry: Any) -> None:
    item = invocation("Failed", rollup="Failed", sepire="Failed")
    item["destinations"]["box"] = entry
    record = read(item, "invocations")
    assert gauges(record)["inkit_invocation_generations", "box", "unknown"] == 1
    assert {key[:2] for key in events(record)} == {(DELIVERIES, "sepire"), (INVOCATIONS, "failed")}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"destinations": []}, "destinations"),
        ({"destinations": "Failed"}, "destinations"),
        ({"flow_name": 7}, "flow_name"),
        ({"flows_batch_id": 7}, "flows_batch_id"),
        ({"flows_batch_id": "a/b"}, "flows_batch_id"),
    ],
)
@pytest.mark.parametrize("workflow_label", [True, False])
def test_an_invocation_does_without_what_can_not_be_understood(
    changed: dict[str, Any], field: str, workflow_label: bool
) -> None:
    record = read(invocation("Failed", rollup="Failed") | changed, "invocations", workflow_label=workflow_label)
    assert record.unknown == (field,)
    assert sum(count for key, count in events(record).items() if key[:2] == (INVOCATIONS, "failed")) == 1
    assert sum(count for key, count in events(record).items() if key[:3] == (DELIVERIES, "none", "failed")) == 1


def test_a_workflow_that_can_not_be_understood_is_unknown_where_it_is_a_label() -> None:
    record = read(invocation() | {"flow_name": 7}, "invocations", workflow_label=True)
    assert ("inkit_invocations", "completed", "completed", "unknown") in record.contributions


def test_many_destinations_make_few_series_and_lose_no_failure() -> None:
    record = read(invocation(rollup="Failed", **{f"d{number}": "Failed" for number in range(5000)}), "invocations")
    failed = [count for key, count in events(record).items() if key[0] == DELIVERIES]
    assert (len(failed), sum(failed), record.unknown) == (101, 5000, ("destinations",))
    record = read(batch(total=5000, **{f"d{number}": generations(failed=1) for number in range(5000)}))
    failed = [count for key, count in events(record).items() if key[0] == GENERATIONS]
    assert (len(failed), sum(failed), record.unknown) == (101, 5000, ("destinations",))


def test_keys_have_as_many_values_as_their_family_has_labels() -> None:
    lengths = {family.name: len(family.labels) for family in SOURCE.families}
    keys: list[Key] = [*read(batch(sepire=generations(1))).contributions]
    keys += read(invocation(sepire="Failed"), "invocations", workflow_label=True).contributions
    assert all(lengths[key[0]] == len(key) for key in keys)


def test_the_workflow_s_name_is_told_whether_or_not_it_is_a_label() -> None:
    for labelled in (False, True):
        assert read(invocation(), "invocations", workflow_label=labelled).workflow == "Welcome letter"


def test_where_it_is_no_label_a_workflow_s_name_that_is_no_text_costs_no_record() -> None:
    for name in (7, None, "", {"first": "last"}):
        assert read(invocation() | {"flow_name": name}, "invocations").workflow is None


def test_another_name_of_its_workflow_is_no_change_of_a_record() -> None:
    assert read(invocation(), "invocations") == read(invocation() | {"flow_name": "New"}, "invocations")
