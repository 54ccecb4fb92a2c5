"""All that is known of Inkit: endpoints, paging, statuses, and what its records add to which gauges.

The facts are from "List Document Batches", "List Workflow Statuses" and "Retrieve Workflow Batch Information" of
the vendor's API reference. `merge_parameters` (its customers' data) is never read.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.client import JSON, Request
from exporter.model.family import FAILURES, NONE, UNKNOWN, Family
from exporter.model.record import Key, Record
from exporter.model.system import System
from exporter.systems.base import Listing, Options, Page, Source
from exporter.systems.fields import (
    ALWAYS_NEEDED,
    FINAL,
    Unreadable,
    amount,
    bounded,
    count_or_none,
    identifier,
    iso_time,
    items,
    label,
    mapping,
    name,
    optional,
    positive,
    positive_or_none,
    records,
    text,
    word,
)
from exporter.systems.inkit.detail import DETAILS

SYSTEM = System(
    name="inkit",
    base_url="https://api.inkit.com/v1",
    token_header="X-Inkit-API-Token",  # noqa: S106 (the header's name)
    token_env="INKIT_API_TOKEN",  # noqa: S106 (the variable's name)
    collectors=("document_batches", "workflow_batches", "invocations"),
    filters=("search", "destination_name", "destination_status"),
    options=("workflow_batch_ids", "workflow_label"),
)

STATUSES = ("completed", "failed", "in_progress")
FINISHED = ("completed", "failed")
DURATIONS = (30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
"""Bounds in seconds: from a generation that was there at the next poll to one that took a day."""
DOCUMENT_DESTINATIONS = ("inkit_storage", "salesforce", "sepire", "docusign", "magic_link")
DESTINATIONS = (*DOCUMENT_DESTINATIONS, "amazon_s3", "google_drive", "dropbox", "box")

_REJECTIONS = (*ALWAYS_NEEDED, "created_at", "status")
_KNOWN = frozenset({*STATUSES, *FINAL})
_COUNTED = _KNOWN - {"error"}
"""Statuses under which a batch's destination may count generations. An entry `error` is a message."""

_SORTING = {"sort": "-created_at"}
_KIND = {"document_batches": ("document",), "workflow_batches": ("workflow",)}

FAMILIES = (
    Family(
        "inkit_batches",
        "gauge",
        "Batches in the window, by their creation status.",
        ("account", "kind", "status"),
        {collector: {"kind": kind, "status": STATUSES} for collector, kind in _KIND.items()},
    ),
    Family(
        "inkit_batch_documents",
        "gauge",
        "Documents that the batches in the window are to make.",
        ("account", "kind"),
        {collector: {"kind": kind} for collector, kind in _KIND.items()},
    ),
    Family(
        "inkit_batch_generations",
        "gauge",
        "Generations of the batches in the window, by destination and status.",
        ("account", "kind", "destination", "status"),
        {
            "document_batches": {
                "kind": ("document",),
                "destination": DOCUMENT_DESTINATIONS,
                "status": STATUSES,
            },
            "workflow_batches": {"kind": ("workflow",), "destination": DESTINATIONS, "status": STATUSES},
        },
    ),
    Family(
        "inkit_invocations",
        "gauge",
        "Invocations in the window, by the workflow's status and the status of its deliveries.",
        ("account", "status", "destination_status", "workflow"),
        {"invocations": {"status": STATUSES, "destination_status": STATUSES}},
        optional=("workflow",),
    ),
    Family(
        "inkit_invocation_generations",
        "gauge",
        "Generations of the invocations in the window, by destination and status.",
        ("account", "destination", "status", "workflow"),
        {"invocations": {"destination": DESTINATIONS, "status": STATUSES}},
        optional=("workflow",),
    ),
    Family(
        "inkit_batches_finished_total",
        "counter",
        "Batches whose creation failed, or that have no generation open, by their creation status.",
        ("account", "kind", "status"),
        {collector: {"kind": kind, "status": FINISHED} for collector, kind in _KIND.items()},
        alert="InkitBatchFailed",
    ),
    Family(
        "inkit_batch_generations_finished_total",
        "counter",
        "Generations of batches that were seen to finish.",
        ("account", "kind", "destination", "status"),
        {
            "document_batches": {
                "kind": ("document",),
                "destination": DOCUMENT_DESTINATIONS,
                "status": FINISHED,
            },
            "workflow_batches": {"kind": ("workflow",), "destination": DESTINATIONS, "status": FINISHED},
        },
        place="destination",
        alert="InkitGenerationFailed",
    ),
    Family(
        "inkit_invocations_finished_total",
        "counter",
        "Invocations that failed, or were completed and have no delivery open, by the workflow's status.",
        ("account", "status", "workflow"),
        {"invocations": {"status": FINISHED}},
        optional=("workflow",),
        alert="InkitInvocationFailed",
    ),
    Family(
        "inkit_invocation_generations_finished_total",
        "counter",
        "Generations of invocations that were seen to finish; destination `none`: a failure that no destination shows.",
        ("account", "destination", "status", "workflow"),
        {"invocations": {"destination": (*DESTINATIONS, NONE), "status": FINISHED}},
        optional=("workflow",),
        place="destination",
        alert="InkitGenerationFailed",
    ),
    Family(
        "inkit_batch_duration_seconds",
        "histogram",
        "Time from a batch's creation to the first poll that saw it finished.",
        ("account", "kind"),
        {collector: {"kind": kind} for collector, kind in _KIND.items()},
        buckets=DURATIONS,
    ),
    Family(
        "inkit_invocation_duration_seconds",
        "histogram",
        "Time from an invocation's creation to the first poll that saw it finished.",
        ("account",),
        {"invocations": {}},
        buckets=DURATIONS,
    ),
    Family(
        "inkit_oldest_in_flight_created_timestamp_seconds",
        "gauge",
        "When the oldest record that is still in flight was created; absent where none is.",
        ("account", "collector"),
        {collector: {} for collector in SYSTEM.collectors},
        oldest_in_flight=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Document batches (`/batch`) or workflow batches (`/invoke/batch`): lists of one shape."""

    name: str
    path: str
    kind: str
    options: Options
    parts: str | None = None
    ids_per_request: int = 1
    sorting: Mapping[str, str] = field(default_factory=lambda: _SORTING)
    in_flight_filters: Sequence[Mapping[str, str]] = ()
    rejections: tuple[str, ...] = _REJECTIONS
    optional: tuple[str, ...] = ("destinations", "total")

    @property
    def by_id(self) -> bool:
        return not self.options.filters

    @property
    def known_ids(self) -> tuple[str, ...]:
        return self.options.workflow_batch_ids if self.parts else ()

    def page(self, number: int, page_size: int) -> Request:
        return _page(self.path, number, page_size, self.options)

    def read_page(self, answer: JSON) -> Page:
        return _read_page(answer, self.path, self._to_record)

    def ask(self, ids: Sequence[str]) -> Sequence[Request]:
        return [Request(f"{self.path}/{{id}}", f"{self.path}/{one}") for one in ids]

    def read_asked(self, answer: JSON) -> Page:
        read, rejected = records([answer], self._to_record)
        return Page(read, rejected, rows=1)

    def _to_record(self, item: Mapping[str, JSON]) -> Record:
        status = word(item.get("status"), "status")
        unknown: set[str] = set()
        total = optional(amount, item.get("total"), "total", 0, unknown)
        contributions: Counter[Key] = Counter({("inkit_batches", self.kind, status): 1})
        contributions["inkit_batch_documents", self.kind] = total
        open_work = 0
        accounted = 0
        found: Mapping[str, JSON] = optional(mapping, item.get("destinations"), "destinations", {}, unknown)
        for (key, entry), named in bounded(found.items(), "destinations", unknown):
            destination = name(key) if named else UNKNOWN
            generations = _generations(entry, unknown)
            for one, count in generations.by_status.items():
                contributions["inkit_batch_generations", self.kind, destination, one] += count
                if one in FINAL:
                    contributions["inkit_batch_generations_finished_total", self.kind, destination, one] += count
            accounted += total if generations.uncounted else generations.count
            open_work += generations.open
        # `status` is of the batch's creation: generations may be open beside "Completed", or not yet begun. Where
        # the creation itself has failed, those that have not begun never will.
        not_begun = max(0, total - accounted) if status == "completed" else 0
        in_flight = status not in FINAL or open_work + not_begun > 0
        if status in FAILURES or not in_flight:
            contributions["inkit_batches_finished_total", self.kind, status] = 1
        if not in_flight:
            contributions["inkit_batch_duration_seconds", self.kind] = 1
        return Record(
            id=identifier(item.get("id")),
            created_at=iso_time(item.get("created_at")),
            in_flight=in_flight,
            contributions=positive(contributions),
            unknown=tuple(sorted(unknown)),
        )


@dataclass(frozen=True, slots=True)
class _Generations:
    """What a batch says of one destination."""

    by_status: Mapping[str, int]
    count: int = 0
    """How many there are, those too of which no status is said."""
    uncounted: bool = False
    """It says how they are, and not how many."""

    @property
    def open(self) -> int:
        return self.count - sum(count for status, count in self.by_status.items() if status in FINAL)


def _generations(entry: JSON, unknown: set[str]) -> _Generations:
    found: Mapping[str, JSON]
    found = optional(mapping, {"status": entry} if isinstance(entry, str) else entry, "destinations", {}, unknown)
    by_status: Counter[str] = Counter()
    for key, value in found.items():
        status = name(key)
        if status in _COUNTED:
            by_status[status] += optional(amount, value, "destinations", 0, unknown)
    if not by_status and found.get("count") is None and found.get("status") is not None:
        unknown.add("destinations")
        return _Generations({label(found["status"]): 1}, 1, uncounted=True)
    said = optional(amount, found.get("count"), "destinations", 0, unknown)
    return _Generations(by_status, max(said, by_status.total()))


@dataclass(frozen=True, slots=True)
class _Invocations:
    """Invocations, which the reference calls workflow statuses (`/invoke`)."""

    options: Options
    name: str = "invocations"
    path: str = "/invoke"
    parts: str | None = None
    known_ids: tuple[str, ...] = ()
    ids_per_request: int = 50
    """A `data_id` of fifty ids keeps the URL below 2,000 characters, which every proxy lets through."""
    by_id: bool = True
    sorting: Mapping[str, str] = field(default_factory=lambda: _SORTING)
    in_flight_filters: Sequence[Mapping[str, str]] = ()
    """None: what `destination_status` selects is not said."""
    rejections: tuple[str, ...] = _REJECTIONS
    optional: tuple[str, ...] = ("destinations", "flow_name", "flows_batch_id")

    def page(self, number: int, page_size: int) -> Request:
        return _page(self.path, number, page_size, self.options)

    def read_page(self, answer: JSON) -> Page:
        return _read_page(answer, self.path, self._to_record)

    def ask(self, ids: Sequence[str]) -> Sequence[Request]:
        size = self.ids_per_request
        chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
        return [
            Request(
                self.path, self.path, {"data_id": ",".join(chunk), "page_size": str(len(chunk)), **self.options.filters}
            )
            for chunk in chunks
        ]

    def read_asked(self, answer: JSON) -> Page:
        return self.read_page(answer)

    def _to_record(self, item: Mapping[str, JSON]) -> Record:
        status = word(item.get("status"), "status")
        rollup = label(item.get("destination_status"))
        unknown: set[str] = set()
        workflow = optional(text, item.get("flow_name"), "flow_name", UNKNOWN, unknown)
        contributions, in_flight = _invocation(
            status,
            rollup,
            (workflow,) if self.options.workflow_label else (),
            tuple(_deliveries(item.get("destinations"), unknown).items()),
        )
        return Record(
            id=identifier(item.get("id")),
            created_at=iso_time(item.get("created_at")),
            in_flight=in_flight,
            contributions=contributions,
            batch_id=optional(_batch, item.get("flows_batch_id"), "flows_batch_id", None, unknown),
            workflow=workflow if workflow and "flow_name" not in unknown else None,
            unknown=tuple(sorted(unknown)),
        )


def _batch(value: JSON, reason: str) -> str | None:
    """The ID of the batch that an invocation is part of, if it is of one."""
    return None if value is None else identifier(value, reason)


def _deliveries(found: JSON, unknown: set[str]) -> Counter[tuple[str, str]]:
    """How many destinations there are by name and status. Those of one name after all are added up."""
    deliveries: Counter[tuple[str, str]] = Counter()
    entries: Mapping[str, JSON] = optional(mapping, found, "destinations", {}, unknown)
    for (key, entry), named in bounded(entries.items(), "destinations", unknown):
        status = label(entry.get("status") if isinstance(entry, dict) else entry)
        if named:
            deliveries[name(key), status] += 1
        else:
            deliveries[UNKNOWN, status if status in _KNOWN else UNKNOWN] += 1
    return deliveries


# A million invocations come in a handful of ways; the bound is for a server that makes up words.
@functools.lru_cache(maxsize=1024)
def _invocation(
    status: str, rollup: str, workflow: tuple[str, ...], destinations: tuple[tuple[tuple[str, str], int], ...]
) -> tuple[Mapping[Key, int], bool]:
    """What an invocation adds to each family, and whether it is in flight."""
    contributions: Counter[Key] = Counter({("inkit_invocations", status, rollup, *workflow): 1})
    for (destination, one), count in destinations:
        contributions["inkit_invocation_generations", destination, one, *workflow] += count
        if one in FINAL:
            contributions["inkit_invocation_generations_finished_total", destination, one, *workflow] += count
    # Before the destinations are there, only the roll-up can tell that deliveries are open.
    deliveries = {one for (_, one), _ in destinations} or {rollup} - {NONE}
    in_flight = not {status, *deliveries} <= FINAL
    if rollup in FAILURES and not any(one in FAILURES for (_, one), _ in destinations):
        contributions["inkit_invocation_generations_finished_total", NONE, rollup, *workflow] = 1
    if status in FAILURES or not in_flight:
        contributions["inkit_invocations_finished_total", status, *workflow] = 1
    if not in_flight:
        contributions["inkit_invocation_duration_seconds",] = 1
    return positive(contributions), in_flight


def _listing(collector: str, options: Options) -> Listing:
    if collector == "document_batches":
        return _Batches(collector, "/batch", "document", options)
    if collector == "workflow_batches":
        return _Batches(collector, "/invoke/batch", "workflow", options, parts="invocations")
    return _Invocations(options)


def _page(path: str, number: int, page_size: int, options: Options) -> Request:
    return Request(path, path, {"page": str(number), "page_size": str(page_size), **options.filters})


def _read_page(answer: JSON, path: str, to_record: Callable[[Mapping[str, JSON]], Record]) -> Page:
    found = items(answer, "items", path)
    read, rejected = records(found, to_record)
    pagination = _pagination(answer)
    pages = count_or_none(pagination.get("page_count"))
    number = positive_or_none(pagination.get("current_page"))
    # The two may disagree. Only where neither speaks of more does the server say that this is the end.
    more = pagination.get("next_page", 0) is not None or (pages is not None and number is not None and number < pages)
    return Page(
        read,
        rejected,
        len(found),
        last=not more if pagination else not found,
        pages=pages,
        total=count_or_none(pagination.get("total_count")),
        size=positive_or_none(pagination.get("page_size")),
    )


def _pagination(answer: JSON) -> Mapping[str, JSON]:
    try:
        return mapping(mapping(answer.get("metadata"), "metadata").get("pagination"), "pagination")
    except Unreadable:
        return {}


SOURCE = Source(SYSTEM, FAMILIES, _listing, details=DETAILS)
