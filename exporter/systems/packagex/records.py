"""All that is known of PackageX: endpoints, paging, statuses, and what its batches add to which gauges.

The facts are from "Retrieve Batches" and the batch model of the vendor's API reference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.client import JSON, ApiError, Request
from exporter.model.family import UNKNOWN, Family
from exporter.model.record import Key, Record
from exporter.model.system import System
from exporter.systems.base import Listing, Options, Page, Source
from exporter.systems.fields import (
    ALWAYS_NEEDED,
    FINAL,
    amount,
    bounded,
    count_or_none,
    epoch_time,
    identifier,
    items,
    label,
    mapping,
    name,
    optional,
    positive,
    positive_or_none,
    records,
    sequence,
    word,
)
from exporter.systems.packagex.detail import DETAILS

SYSTEM = System(
    name="packagex",
    base_url="https://api.packagex.io/v1",
    token_header="PX-API-KEY",  # noqa: S106 (the header's name)
    token_env="PX_API_KEY",  # noqa: S106 (the variable's name)
    collectors=("batches",),
    filters=("resource", "mode", "via", "status"),
)

OPEN = ("requested", "queued", "processing")
FINISHED = ("completed", "failed", "timed_out", "expired")
PHASES = ("parsing", "validation", "processing", "cleanup")
OUTCOMES = ("success", "error", "pending")
CHANGES = ("created", "updated", "deleted", "overwritten", "events")
DURATIONS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
"""Bounds in seconds: from a handful of contacts to a file that took a day."""

_RESOURCES = {"resource": ("contact", "group", "shipment", "tracker", "asset")}
_MAKING = {
    **_RESOURCES,
    "action": ("merge", "overwrite", "delete"),
    "mode": ("sync", "mixed", "async"),
    "via": ("api", "file"),
}
"""What the pages name of the ways in which a batch is made. Their combinations are too many to be shown at 0."""

FAMILIES = (
    Family(
        "packagex_batches",
        "gauge",
        "Batches in the window, by what they do, how they were made, and status.",
        ("account", "resource", "action", "mode", "via", "status"),
        {"batches": {"status": (*OPEN, *FINISHED)}},
        named=_MAKING,
    ),
    Family(
        "packagex_batch_items",
        "gauge",
        "Items of the batches in the window, by phase and outcome. Pending is what a phase has not processed.",
        ("account", "resource", "phase", "outcome"),
        {"batches": {"phase": PHASES, "outcome": OUTCOMES}},
        named=_RESOURCES,
    ),
    Family(
        "packagex_batch_changes",
        "gauge",
        "What the batches in the window have changed.",
        ("account", "resource", "change"),
        {"batches": {"change": CHANGES}},
        named=_RESOURCES,
    ),
    Family(
        "packagex_batches_finished_total",
        "counter",
        "Batches that were seen to finish.",
        ("account", "resource", "action", "mode", "via", "status"),
        {"batches": {"status": FINISHED}},
        named=_MAKING,
        place="resource",
        alert="PackageXBatchFailed",
    ),
    Family(
        "packagex_batch_items_finished_total",
        "counter",
        "Items that a phase of a batch was seen to finish, by outcome.",
        ("account", "resource", "phase", "outcome"),
        {"batches": {"phase": PHASES, "outcome": ("success", "error")}},
        named=_RESOURCES,
        place="resource",
        alert="PackageXItemErrors",
    ),
    Family(
        "packagex_batch_duration_seconds",
        "histogram",
        "Time from a batch's creation to its last update, for batches that were seen to finish.",
        ("account", "resource"),
        {"batches": {}},
        buckets=DURATIONS,
        named=_RESOURCES,
    ),
    Family(
        "packagex_oldest_in_flight_created_timestamp_seconds",
        "gauge",
        "When the oldest record that is still in flight was created; absent where none is.",
        ("account", "collector"),
        {"batches": {}},
        oldest_in_flight=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Batches:
    """`/batches`. It can't be sorted: the reference says "in chronological order", and not which end comes first."""

    options: Options
    name: str = "batches"
    path: str = "/batches"
    parts: str | None = None
    known_ids: tuple[str, ...] = ()
    ids_per_request: int = 1
    sorting: Mapping[str, str] = field(default_factory=dict)
    rejections: tuple[str, ...] = (*ALWAYS_NEEDED, "created_at", "status")
    optional: tuple[str, ...] = ("phases", "stats", "updated_at")

    @property
    def by_id(self) -> bool:
        # The other filters are by what a batch is for good; its status changes.
        return "status" not in self.options.filters

    @property
    def in_flight_filters(self) -> Sequence[Mapping[str, str]]:
        return [{"status": one} for one in OPEN] if "status" not in self.options.filters else ()

    def page(self, number: int, page_size: int) -> Request:
        return Request(self.path, self.path, {"page": str(number), "limit": str(page_size), **self.options.filters})

    def read_page(self, answer: JSON) -> Page:
        found = items(answer, "data", self.path)
        read, rejected = records(found, _record)
        pagination = _mapping(answer.get("pagination"))
        number = positive_or_none(pagination.get("page"))
        limit = positive_or_none(pagination.get("limit"))
        total = count_or_none(pagination.get("total_count"))
        pages = None if limit is None or total is None else -(-total // limit)
        # The two may disagree. Only where neither speaks of more does the server say that this is the end.
        more = pagination.get("has_more") is True or (pages is not None and number is not None and number < pages)
        last = not more if pagination else not found
        return Page(read, rejected, len(found), last=last, pages=pages, total=total, size=limit)

    def ask(self, ids: Sequence[str]) -> Sequence[Request]:
        return [Request(f"{self.path}/{{id}}", f"{self.path}/{one}") for one in ids]

    def read_asked(self, answer: JSON) -> Page:
        read, rejected = records([_mapping(answer).get("data")], _record)
        return Page(read, rejected, rows=1)


def _record(item: Mapping[str, JSON]) -> Record:
    status = word(item.get("status"), "status")
    unknown: set[str] = set()
    made = [label(item.get(one)) for one in ("resource", "action", "mode", "via")]
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
    updated_at = optional(_moment, item.get("updated_at"), "updated_at", None, unknown)
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
        optional(amount, phase.get(one), "phases", 0, unknown) for one in ("success", "error", "processed", "total")
    )
    pending = max(0, total - max(processed, success + error))
    called = optional(word, phase.get("name"), "phases", UNKNOWN, unknown) if named else UNKNOWN
    for outcome, count in zip(OUTCOMES, (success, error, pending), strict=True):
        contributions["packagex_batch_items", resource, called, outcome] += count
        if outcome != "pending":
            contributions["packagex_batch_items_finished_total", resource, called, outcome] += count


def _moment(value: JSON, reason: str) -> float | None:
    """A time that may be left out: without its end, a batch lasts until it is seen to be finished."""
    return None if value is None else epoch_time(value, reason)


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _refused(answer: JSON) -> ApiError | None:
    """An error in the envelope: its `code` and `message`. Its `errors` may quote what was sent, and are not read."""
    envelope = _mapping(answer)
    status = envelope.get("status")
    stated = isinstance(status, int) and 400 <= status < 600
    if not stated and not (envelope.get("errors") and envelope.get("data") is None):
        return None
    words = [str(one) for one in (envelope.get("code"), envelope.get("message")) if isinstance(one, (str, int))]
    return ApiError(status if stated else None, ": ".join(words))


def _listing(collector: str, options: Options) -> Listing:
    del collector  # There is but one.
    return _Batches(options)


SOURCE = Source(SYSTEM, FAMILIES, _listing, _refused, details=DETAILS)
