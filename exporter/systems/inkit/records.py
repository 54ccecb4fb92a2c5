"""What the batches and invocations of Inkit add to which families, and which of them are in flight.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of
the vendor's API reference. `merge_parameters` (its customers' data) is never read.
"""

import functools
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from exporter.client import JSON
from exporter.model.family import NONE, UNKNOWN
from exporter.model.record import Key, Record
from exporter.systems.fields import (
    FAILURES,
    FINAL,
    amount,
    bounded,
    identifier,
    is_absent,
    known_as,
    label,
    mapping,
    name,
    optional,
    positive,
    text,
    word,
)
from exporter.systems.inkit.families import DESTINATIONS, KNOWN_STATUSES
from exporter.systems.times import iso_time

_DESTINATIONS = frozenset(DESTINATIONS)
_COUNTED = KNOWN_STATUSES - {"error"}
"""Statuses under which a batch's destination may count generations. An entry `error` is a message."""


def batch_record(item: Mapping[str, JSON], kind: str) -> Record:
    """Read a document or workflow batch; `kind` is `document` or `workflow`. Raises Unreadable."""
    status = known_as(word(item.get("status"), "status"), KNOWN_STATUSES)
    unknown: set[str] = set()
    total = optional(amount, item.get("total"), "total", 0, unknown)
    found: Mapping[str, JSON] = optional(mapping, item.get("destinations"), "destinations", {}, unknown)
    destinations = tuple(
        (_destination(key) if named else UNKNOWN, _generations(entry, unknown))
        for (key, entry), named in bounded(found.items(), "destinations", unknown)
    )
    contributions, in_flight = _batch(kind, status, total, destinations)
    return Record(
        id=identifier(item.get("id")),
        created_at=iso_time(item.get("created_at")),
        in_flight=in_flight,
        contributions=contributions,
        unknown=tuple(sorted(unknown)),
    )


class _Generations(NamedTuple):
    """The generations of a batch at one destination."""

    by_status: tuple[tuple[str, int], ...]
    total: int = 0
    """All of them, those without a status included."""
    uncounted: bool = False
    """The batch gives their status and not their number."""

    @property
    def open(self) -> int:
        return self.total - sum(count for status, count in self.by_status if status in FINAL)


# Batches that are alike share what they add. There are more forms than of invocations, and most of them are rare.
@functools.lru_cache(maxsize=256)
def _batch(
    kind: str, status: str, total: int, destinations: tuple[tuple[str, _Generations], ...]
) -> tuple[Mapping[Key, int], bool]:
    """Return what a batch adds to each family, and whether it is in flight."""
    # Not a Counter: a list has thousands of batches, and a Counter is slow to make and to add to.
    contributions: dict[Key, int] = {("inkit_batches", kind, status): 1, ("inkit_batch_documents", kind): total}
    for destination, generations in destinations:
        for generation_status, count in generations.by_status:
            key = ("inkit_batch_generations", kind, destination, generation_status)
            contributions[key] = contributions.get(key, 0) + count
            if generation_status in FINAL:
                key = ("inkit_batch_generations_finished_total", kind, destination, generation_status)
                contributions[key] = contributions.get(key, 0) + count
    accounted = sum(total if generations.uncounted else generations.total for _, generations in destinations)
    open_work = sum(generations.open for _, generations in destinations)
    # `status` is that of the batch's creation: beside "Completed", generations may be open or not yet begun. Where
    # the creation failed, generations that have not begun never will.
    not_begun = max(0, total - accounted) if status == "completed" else 0
    in_flight = status not in FINAL or open_work + not_begun > 0
    if status in FAILURES or not in_flight:
        contributions["inkit_batches_finished_total", kind, status] = 1
    if not in_flight:
        contributions["inkit_batch_duration_seconds", kind] = 1
    return positive(contributions), in_flight


def _generations(entry: JSON, unknown: set[str]) -> _Generations:
    found: Mapping[str, JSON]
    found = optional(mapping, {"status": entry} if isinstance(entry, str) else entry, "destinations", {}, unknown)
    by_status: dict[str, int] = {}
    for key, value in found.items():
        status = known_as(name(key), KNOWN_STATUSES)
        if status in _COUNTED:
            by_status[status] = by_status.get(status, 0) + optional(amount, value, "destinations", 0, unknown)
    if not by_status and found.get("count") is None and found.get("status") is not None:
        unknown.add("destinations")
        return _Generations(((_status(found["status"]), 1),), 1, uncounted=True)
    count = optional(amount, found.get("count"), "destinations", 0, unknown)
    return _Generations(tuple(by_status.items()), max(count, sum(by_status.values())))


def invocation_record(item: Mapping[str, JSON], *, workflow_label: bool) -> Record:
    """Read an invocation; `workflow_label` adds the workflow's name to its series. Raises Unreadable."""
    status = known_as(word(item.get("status"), "status"), KNOWN_STATUSES)
    rollup = _status(item.get("destination_status"))
    unknown: set[str] = set()
    workflow = optional(text, item.get("flow_name"), "flow_name", UNKNOWN, unknown)
    contributions, in_flight = _invocation(
        status,
        rollup,
        (workflow,) if workflow_label else (),
        tuple(_deliveries(item.get("destinations"), unknown).items()),
    )
    return Record(
        id=identifier(item.get("id")),
        created_at=iso_time(item.get("created_at")),
        in_flight=in_flight,
        contributions=contributions,
        batch_id=optional(_batch_id, item.get("flows_batch_id"), "flows_batch_id", None, unknown),
        workflow=workflow if workflow and "flow_name" not in unknown else None,
        unknown=tuple(sorted(unknown)),
    )


def _status(value: JSON) -> str:
    return known_as(label(value), KNOWN_STATUSES)


def _destination(key: str) -> str:
    return known_as(name(key), _DESTINATIONS)


def _batch_id(value: JSON, reason: str) -> str | None:
    """Return the ID of the batch that an invocation is part of, None if it is part of none."""
    return None if is_absent(value) else identifier(value, reason)


def _deliveries(found: JSON, unknown: set[str]) -> Counter[tuple[str, str]]:
    """Count the destinations by name and status; names that are equal as label values are added up."""
    deliveries: Counter[tuple[str, str]] = Counter()
    entries: Mapping[str, JSON] = optional(mapping, found, "destinations", {}, unknown)
    for (key, entry), named in bounded(entries.items(), "destinations", unknown):
        status = _status(entry.get("status") if isinstance(entry, dict) else entry)
        if named:
            deliveries[_destination(key), status] += 1
        else:
            deliveries[UNKNOWN, status if status in KNOWN_STATUSES else UNKNOWN] += 1
    return deliveries


# A million invocations have few distinct forms; the bound is for a server that invents words.
@functools.lru_cache(maxsize=1024)
def _invocation(
    status: str, rollup: str, workflow: tuple[str, ...], destinations: tuple[tuple[tuple[str, str], int], ...]
) -> tuple[Mapping[Key, int], bool]:
    """Return what an invocation adds to each family, and whether it is in flight."""
    contributions: Counter[Key] = Counter({("inkit_invocations", status, rollup, *workflow): 1})
    for (destination, delivery), count in destinations:
        contributions["inkit_invocation_generations", destination, delivery, *workflow] += count
        if delivery in FINAL:
            contributions["inkit_invocation_generations_finished_total", destination, delivery, *workflow] += count
    # Before the destinations are there, only the roll-up can show that deliveries are open.
    deliveries = {delivery for (_, delivery), _ in destinations} or {rollup} - {NONE}
    in_flight = not {status, *deliveries} <= FINAL
    if rollup in FAILURES and not any(delivery in FAILURES for (_, delivery), _ in destinations):
        contributions["inkit_invocation_generations_finished_total", NONE, rollup, *workflow] = 1
    if status in FAILURES or not in_flight:
        contributions["inkit_invocations_finished_total", status, *workflow] = 1
    if not in_flight:
        contributions["inkit_invocation_duration_seconds",] = 1
    return positive(contributions), in_flight
