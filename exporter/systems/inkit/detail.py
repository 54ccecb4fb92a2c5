"""What Inkit tells of one record, for a person to read. What it counts for is in inkit.py.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of the
vendor's API reference. Names of invocations and of their documents are made for single recipients, and as private as
the `merge_parameters`.
"""

from collections.abc import Iterator, Mapping

from exporter.client import JSON
from exporter.systems.detail import Detail, Details, Table, Value, moment, table, the_record, told
from exporter.systems.fields import iso_time, items

_COUNTS = ("count", "completed", "failed", "in_progress")


def _read(collector: str, record_id: str, answer: JSON) -> Detail | None:
    if collector == "invocations":
        listed = items(answer, "items", "/invoke")
        found = [one for one in listed if isinstance(one, dict) and one.get("id") == record_id]
        return _invocation(record_id, found[0]) if found else None
    return _batch(record_id, the_record(answer, record_id))


def _batch(record_id: str, item: Mapping[str, JSON]) -> Detail:
    return Detail(
        record_id,
        {
            "name": told(item.get("name")),
            "status": told(item.get("status")),
            "created_at": moment(item.get("created_at"), iso_time),
            "total": told(item.get("total")),
        }
        | _unreadable(item),
        _destinations(item, _COUNTS),
    )


def _invocation(record_id: str, item: Mapping[str, JSON]) -> Detail:
    private = {"name": item.get("name"), "merge_parameters": item.get("merge_parameters")}
    private |= {f"{name}.name": one["name"] for name, one in _each_destination(item) if "name" in one}
    return Detail(
        record_id,
        {
            "status": told(item.get("status")),
            "destination_status": told(item.get("destination_status")),
            "created_at": moment(item.get("created_at"), iso_time),
            "workflow": told(item.get("flow_name")),
            "workflow_id": told(item.get("flow_id")),
            "workflow_created_at": moment(item.get("flow_created_at"), iso_time),
            "description": told(item.get("description")),
            "batch": told(item.get("flows_batch_id")),
            "template": told(item.get("template_id")),
            "template_version": told(item.get("template_version")),
        }
        | _unreadable(item),
        _destinations(item, ("id",)),
        {name: value for name, value in private.items() if value},
    )


def _destinations(item: Mapping[str, JSON], columns: tuple[str, ...]) -> tuple[Table, ...]:
    rows = (
        (name, one.get("status"), *(_piece(one) if column == "id" else one.get(column) for column in columns))
        for name, one in _each_destination(item)
    )
    return table("destinations", ("destination", "status", *columns), rows)


def _each_destination(item: Mapping[str, JSON]) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    found = item.get("destinations")
    for name, one in found.items() if isinstance(found, dict) else ():
        yield name, one if isinstance(one, dict) else {"status": one}


def _unreadable(item: Mapping[str, JSON]) -> dict[str, Value]:
    """Destinations are an object by name; whatever else is there is said."""
    found = item.get("destinations")
    return {} if found is None or isinstance(found, dict) else {"destinations": told(found)}


def _piece(destination: Mapping[str, JSON]) -> JSON:
    """The id of what was made: `document_id`, `mail_piece_id`, `box_piece_id` and the like."""
    return next((value for key, value in destination.items() if key.endswith("_id")), None)


DETAILS = Details({"rb_": "document_batches", "fb_": "workflow_batches", "rend_": "invocations"}, _read)
"""Invocations have no endpoint for one: they are found in the list, by `data_id`."""
