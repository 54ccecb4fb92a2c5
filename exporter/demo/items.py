"""Make records of Inkit in the form of its API. world.py holds them, inkit_api.py serves them.

Sources: the example answers of "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch
Information" in the vendor's API reference. The keys stand in the order of those examples.
"""

import hashlib
import random
import string
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Item = dict[str, Any]
"""A record as a JSON object."""
Kind = Literal["document_batches", "workflow_batches", "invocations"]
PREFIXES: Mapping[Kind, str] = {"document_batches": "rb", "workflow_batches": "fb", "invocations": "rend"}

DOCUMENT_DESTINATIONS = ("inkit_storage", "salesforce", "sepire", "docusign", "magic_link")
PIECES: Mapping[str, tuple[str, str]] = {
    "amazon_s3": ("amazon_s3_piece_id", "as3"),
    "box": ("box_piece_id", "box"),
    "docusign": ("docusign_piece_id", "ds"),
    "dropbox": ("dropbox_piece_id", "dbx"),
    "google_drive": ("google_drive_piece_id", "gd"),
    "inkit_storage": ("document_id", "doc"),
    "magic_link": ("magic_link_piece_id", "ml"),
    "salesforce": ("salesforce_piece_id", "sf"),
    "sepire": ("mail_piece_id", "mp"),
}
"""Each destination's key for the ID of its result, and the ID's prefix (only `doc` and `mp` are documented)."""

_DIGITS = string.digits + string.ascii_letters
_WORKFLOWS_CREATED = "2023-10-25T16:13:39.170009Z"


def iso(at: float) -> str:
    """Return epoch seconds as the API writes a time: UTC, microseconds, `Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def new_id(rng: random.Random, prefix: str) -> str:
    """Return an ID as the API makes them: a prefix and 128 bits in base 62."""
    return f"{prefix}_{_base62(rng.getrandbits(128))}"


def generations(count: int, completed: int = 0, failed: int = 0) -> Item:
    """Return a batch's counts for one destination; what is neither completed nor failed is in progress."""
    in_progress = count - completed - failed
    status = "in_progress" if in_progress else "failed" if failed and not completed else "completed"
    return {
        "completed": completed,
        "count": count,
        "failed": failed,
        "in_progress": in_progress,
        "status": status,
    }


def document_batch(
    batch_id: str,
    created_at: float,
    *,
    destinations: Mapping[str, Item] | None = None,
    status: str = "Completed",
    total: int | None = None,
    name: str | None = None,
) -> Item:
    """Return a document batch (`rb_…`). Without `destinations`: all done in Inkit Storage; with `{}`: not begun."""
    if destinations is None:
        destinations = {"inkit_storage": generations(total or 1, completed=total or 1)}
    if total is None:
        total = max((destination["count"] for destination in destinations.values()), default=1)
    return {
        "created_at": iso(created_at),
        "destinations": dict(destinations),
        "id": batch_id,
        "name": name,
        "status": status,
        "total": total,
    }


def workflow_batch(
    batch_id: str,
    created_at: float,
    *,
    destinations: Mapping[str, Item] | None = None,
    status: str = "Completed",
    total: int | None = None,
    name: str | None = "Batch Name",
) -> Item:
    """Return a workflow batch (`fb_…`): the same shape, and more destinations to choose from."""
    return document_batch(batch_id, created_at, destinations=destinations, status=status, total=total, name=name)


def invocation(
    invocation_id: str,
    created_at: float,
    *,
    status: str = "Completed",
    destinations: Mapping[str, str] | None = None,
    destination_status: str | None = None,
    flow_name: str | None = "Welcome letter",
    batch_id: str | None = None,
    merge_parameters: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Item:
    """Return an invocation (`rend_…`) of a workflow, or of a template where `flow_name` is None.

    `destinations` gives each destination's status ("Completed", "In Progress", "Failed"); without it, one document was
    stored. `destination_status` follows from them unless it is given.
    """
    if destinations is None:
        destinations = {"inkit_storage": "Completed"}
    return {
        "created_at": iso(created_at),
        "description": None,
        "destination_status": destination_status or roll_up(destinations.values()) or status,
        "destinations": deliveries(invocation_id, destinations),
        "flow_created_at": _WORKFLOWS_CREATED if flow_name else None,
        "flow_id": _named_id("flow", flow_name) if flow_name else None,
        "flow_name": flow_name,
        "flows_batch_id": batch_id,
        "id": invocation_id,
        "merge_parameters": dict(merge_parameters or {}),
        "name": name,
        "status": status,
        "template_id": None if flow_name else _named_id("tmpl", invocation_id),
        "template_version": None if flow_name else 1,
    }


def deliveries(invocation_id: str, statuses: Mapping[str, str]) -> Item:
    """Return an invocation's destinations: a piece ID and a status each."""
    return {name: _delivery(name, status, invocation_id) for name, status in statuses.items()}


def roll_up(statuses: Iterable[str]) -> str | None:
    """Return the status that summarizes those of all destinations; None if there is none."""
    found = set(statuses)
    return next((status for status in ("In Progress", "Failed", *sorted(found)) if status in found), None)


def _delivery(destination: str, status: str, invocation_id: str) -> Item:
    key, prefix = PIECES.get(destination, (f"{destination}_piece_id", destination))
    delivery: Item = {key: f"{prefix}_{invocation_id.partition('_')[2]}"}
    if destination == "inkit_storage":
        delivery["name"] = "letter.pdf"
    delivery["status"] = status
    return delivery


def _named_id(prefix: str, name: str) -> str:
    return f"{prefix}_{_base62(int.from_bytes(hashlib.sha256(name.encode()).digest()[:16]))}"


def _base62(number: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
