"""The examples of the vendor's API reference, served by the mock API, are the examples again."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.items import document_batch, generations, invocation, iso, workflow_batch
from exporter.demo.world import World
from tests.support.api_clients import Client
from tests.support.rig import NOW

SEEDS = Path(__file__).parent / "seeds"


def seed(name: str) -> Any:
    return json.loads((SEEDS / f"{name}.json").read_text(encoding="utf-8"))


def shape(value: Any) -> Any:
    """Return the keys of a JSON value, in their order, and the types of the values under them."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    return type(value).__name__


def test_the_example_of_document_batches_is_answered_as_it_stands_in_the_reference(
    world: World, client: Client
) -> None:
    expected = seed("list-document-batches")
    world.extend("document_batches", reversed(expected["items"]))
    assert json.dumps(client.page("/batch")) == json.dumps(expected)


def test_the_example_of_workflow_statuses_is_answered_as_it_stands_in_the_reference(
    world: World, client: Client
) -> None:
    expected = seed("list-workflow-statuses")
    world.extend("invocations", expected["items"])
    others = expected["metadata"]["pagination"]["total_count"] - len(expected["items"])
    world.extend("invocations", (invocation(f"rend_{n}", 1_600_000_000 + n) for n in range(others)))
    answer = client.page("/invoke")
    answer["items"] = answer["items"][:2]
    assert json.dumps(answer) == json.dumps(expected)


def test_the_example_of_a_workflow_batch_is_answered_bare(world: World, client: Client) -> None:
    expected = seed("retrieve-workflow-batch")
    world.add("workflow_batches", expected)
    assert json.dumps(client.page(f"/invoke/batch/{expected['id']}")) == json.dumps(expected)


@pytest.mark.parametrize(
    ("made", "example"),
    [
        (
            document_batch("rb_1", NOW, name="test", destinations={"inkit_storage": generations(2, 2)}),
            seed("list-document-batches")["items"][3],
        ),
        (
            document_batch("rb_1", NOW, destinations={}, status="In Progress"),
            seed("list-document-batches")["items"][4],
        ),
        (workflow_batch("fb_1", NOW), seed("retrieve-workflow-batch")),
        (
            invocation("rend_1", NOW, merge_parameters={"lname": "Sample", "name": "Alex"}),
            seed("list-workflow-statuses")["items"][0],
        ),
        (
            invocation("rend_1", NOW, flow_name=None, destinations={"inkit_storage": "Completed", "sepire": "Failed"}),
            seed("list-workflow-statuses")["items"][1],
        ),
    ],
)
def test_a_record_made_here_has_the_shape_of_its_example(made: Any, example: Any) -> None:
    assert shape(made) == shape(example)


def test_an_invocation_whose_delivery_failed_is_completed_beside_a_failed_destination_status() -> None:
    made = invocation("rend_1", NOW, destinations={"inkit_storage": "Completed", "sepire": "Failed"})
    example = seed("list-workflow-statuses")["items"][1]
    assert (made["status"], made["destination_status"]) == (example["status"], example["destination_status"])


def test_a_time_is_written_as_in_the_examples() -> None:
    assert iso(1_694_009_275.732858) == seed("list-document-batches")["items"][0]["created_at"]


def test_a_batch_says_completed_of_its_destinations_in_lower_case() -> None:
    example = seed("list-document-batches")["items"][0]["destinations"]["inkit_storage"]
    assert generations(2, 2) == example
