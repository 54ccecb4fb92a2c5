"""Single records of Inkit as `inspect` shows them.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of the
vendor's API reference. Names of invocations and of their documents are written for single recipients, and are as
private as the `merge_parameters`.
"""

from collections.abc import Iterator, Mapping

from exporter.client import JSON
from exporter.systems.detail import Detail, Details, Table, as_value, moment, record_with_id, table, unreadable
from exporter.systems.fields import items
from exporter.systems.times import iso_time

_COUNTS = ("count", "completed", "failed", "in_progress")


def _read(collector: str, record_id: str, answer: JSON) -> Detail | None:
    if collector == "invocations":
        listed = items(answer, "items", "/invoke")
        found = [item for item in listed if isinstance(item, dict) and item.get("id") == record_id]
        return _invocation(record_id, found[0]) if found else None
    return _batch(record_id, record_with_id(answer, record_id))


def _batch(record_id: str, item: Mapping[str, JSON]) -> Detail:
    return Detail(
        record_id,
        {
            "name": as_value(item.get("name")),
            "status": as_value(item.get("status")),
            "created_at": moment(item.get("created_at"), iso_time),
            "total": as_value(item.get("total")),
        }
        | unreadable("destinations", item.get("destinations"), dict),
        _destinations(item, _COUNTS),
    )


def _invocation(record_id: str, item: Mapping[str, JSON]) -> Detail:
    private = {"name": item.get("name"), "merge_parameters": item.get("merge_parameters")}
    private |= {f"{name}.name": entry["name"] for name, entry in _each_destination(item) if "name" in entry}
    return Detail(
        record_id,
        {
            "status": as_value(item.get("status")),
            "destination_status": as_value(item.get("destination_status")),
            "created_at": moment(item.get("created_at"), iso_time),
            "workflow": as_value(item.get("flow_name")),
            "workflow_id": as_value(item.get("flow_id")),
            "workflow_created_at": moment(item.get("flow_created_at"), iso_time),
            "description": as_value(item.get("description")),
            "batch": as_value(item.get("flows_batch_id")),
            "template": as_value(item.get("template_id")),
            "template_version": as_value(item.get("template_version")),
        }
        | unreadable("destinations", item.get("destinations"), dict),
        _destinations(item, ("id",)),
        {name: value for name, value in private.items() if value},
    )


def _destinations(item: Mapping[str, JSON], columns: tuple[str, ...]) -> tuple[Table, ...]:
    rows = (
        (name, entry.get("status"), *(_piece(entry) if column == "id" else entry.get(column) for column in columns))
        for name, entry in _each_destination(item)
    )
    return table("destinations", ("destination", "status", *columns), rows)


def _each_destination(item: Mapping[str, JSON]) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    found = item.get("destinations")
    for name, entry in found.items() if isinstance(found, dict) else ():
        yield name, entry if isinstance(entry, dict) else {"status": entry}


def _piece(destination: Mapping[str, JSON]) -> JSON:
    """Return the ID of the result: `document_id`, `mail_piece_id`, `box_piece_id` and the like."""
    return next((value for key, value in destination.items() if key.endswith("_id")), None)


DETAILS = Details({"rb_": "document_batches", "fb_": "workflow_batches", "rend_": "invocations"}, _read)
"""Invocations have no endpoint for a single one: `data_id` selects it in the list."""
