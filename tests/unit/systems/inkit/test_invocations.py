"""What Inkit's invocations add to the families, and which are in flight."""

from collections.abc import Mapping
from typing import Any

import pytest

from exporter.model.record import Key
from tests.support.inkit_items import batch, events, gauges, generations, invocation, read

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
    none = read({**invocation(), "flows_batch_id": ""}, "invocations")
    assert (none.batch_id, none.unknown) == (None, ())


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
        ({"destinations": [1]}, "destinations"),
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


def test_the_workflow_s_name_is_kept_whether_or_not_it_is_a_label() -> None:
    for labeled in (False, True):
        assert read(invocation(), "invocations", workflow_label=labeled).workflow == "Welcome letter"


def test_where_it_is_no_label_a_workflow_s_name_that_is_no_text_costs_no_record() -> None:
    for name in (7, None, "", {"first": "last"}):
        assert read(invocation() | {"flow_name": name}, "invocations").workflow is None


def test_another_name_of_its_workflow_is_no_change_of_a_record() -> None:
    assert read(invocation(), "invocations") == read(invocation() | {"flow_name": "New"}, "invocations")
