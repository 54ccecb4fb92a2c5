"""What the batches of PackageX add to which families, and which of them are in flight.

The facts are from the batch model of the vendor's API reference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from exporter.client import JSON
from exporter.model.family import UNKNOWN
from exporter.model.record import Key, Record
from exporter.systems.fields import (
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
    sequence,
    word,
)
from exporter.systems.packagex.families import OPEN, OUTCOMES
from exporter.systems.times import epoch_time

_KNOWN_STATUSES = FINAL | {*OPEN}


def batch_record(item: Mapping[str, JSON]) -> Record:
    """Read a batch. Raises Unreadable."""
    status = known_as(word(item.get("status"), "status"), _KNOWN_STATUSES)
    unknown: set[str] = set()
    made = [label(item.get(key)) for key in ("resource", "action", "mode", "via")]
    resource = made[0]
    contributions: Counter[Key] = Counter({("packagex_batches", *made, status): 1})
    phases: Sequence[JSON] = optional(sequence, item.get("phases"), "phases", (), unknown)
    for entry, named in bounded(phases, "phases", unknown):
        _add_phase(contributions, resource, entry, named, unknown)
    stats: Mapping[str, JSON] = optional(mapping, item.get("stats"), "stats", {}, unknown)
    for (key, count), named in bounded(stats.items(), "stats", unknown):
        change = name(key) if named else UNKNOWN
        contributions["packagex_batch_changes", resource, change] += optional(amount, count, "stats", 0, unknown)
    in_flight = status not in FINAL
    if not in_flight:
        contributions["packagex_batches_finished_total", *made, status] = 1
        contributions["packagex_batch_duration_seconds", resource] = 1
    updated_at = optional(_time, item.get("updated_at"), "updated_at", None, unknown)
    return Record(
        id=identifier(item.get("id")),
        created_at=epoch_time(item.get("created_at"), "created_at"),
        in_flight=in_flight,
        contributions=positive(contributions),
        finished_at=None if in_flight else updated_at,
        unknown=tuple(sorted(unknown)),
    )


def _add_phase(contributions: Counter[Key], resource: str, entry: JSON, named: bool, unknown: set[str]) -> None:
    phase: Mapping[str, JSON] = optional(mapping, entry, "phases", {}, unknown)
    success, error, processed, total = (
        optional(amount, phase.get(key), "phases", 0, unknown) for key in ("success", "error", "processed", "total")
    )
    pending = max(0, total - max(processed, success + error))
    phase_name = optional(word, phase.get("name"), "phases", UNKNOWN, unknown) if named else UNKNOWN
    for outcome, count in zip(OUTCOMES, (success, error, pending), strict=True):
        contributions["packagex_batch_items", resource, phase_name, outcome] += count
        if outcome != "pending":
            contributions["packagex_batch_items_finished_total", resource, phase_name, outcome] += count


def _time(value: JSON, reason: str) -> float | None:
    """Read a time that may be absent: a batch without one lasts until the poll that finds it finished."""
    return None if is_absent(value) else epoch_time(value, reason)
