"""What the metrics must say while a fault lasts. Tests hold every cell to it, and the page is printed from it."""

from collections.abc import Iterator, Mapping

from exporter.model.record import Reason
from exporter.polling.collector.by_id_only import NO_LIST
from tests.support.matrix.faults import Fault, Section
from tests.support.matrix.phases import Phase, Shown
from tests.support.matrix.watched import Watched

REJECTED = "records_rejected_total"
_REJECTED_FOR = {"no list": "id", "no object": "not_an_object"}
"""Why a record by ID is rejected, where an answer is JSON that holds none."""
TRUNCATED, VANISHED, THROTTLED, LIMIT, NO_COUNTERS = (
    "window_truncated",
    "records_vanished_total",
    "throttled",
    "rate_limit",
    "no counters",
)
UNKNOWN = "unknown_values_total"
REFUSALS = ("400", "422", "404", "405", "410", "4xx")
"""What a server says of one request alone."""

_GOOD = Shown()
_READ: Mapping[str, tuple[str, ...]] = {
    "destinations.*": ("status",),
    "phases.*.name": ("phase",),
    **dict.fromkeys(
        (
            *("destinations", "destinations.*.completed", "destinations.*.count", "destinations.*.failed"),
            *("destinations.*.in_progress", "total", "destination_status", "flow_name", "flows_batch_id"),
            *("resource", "mode", "via", "action", "updated_at", "stats", "stats.*"),
            *("phases", "phases.*", "phases.*.total", "phases.*.processed", "phases.*.success", "phases.*.error"),
        ),
        (),
    ),
}
"""The fields without which a record counts, each with the labels that it is also counted under. Others are not read."""
_OF_UNFINISHED = ("destinations.*.count", "flow_name", "phases.*.processed", "updated_at")
"""Fields that change nothing of a record that has finished: then it is not counted that they can't be read."""
_OF_RECORDS = {
    "server_error": Reason.SERVER_ERROR,
    "not_200": Reason.CLIENT_ERROR,
    **dict.fromkeys(("malformed", "garbled", "no list", "no object"), Reason.MALFORMED),
    **dict.fromkeys(REFUSALS, Reason.CLIENT_ERROR),
}
"""Kinds of faults that may be those of single records, with the reason for which a list fails."""


def unreachable(fault: Fault, watched: Watched, phase: Phase) -> str | None:
    """Return why there is no such cell; None if there is one."""
    if watched.by_id and phase is Phase.DISCOVER:
        return "an account without the list has nothing to discover in: see refresh"
    if fault.section is Section.STATE and phase is Phase.HANDOVER:
        return "replicas have no state file: see the faults of the database below"
    if fault.kind == "state moved" and phase is Phase.SHUTDOWN:
        return "a restart ends the fault: the exporter starts over with an empty state, and counters begin at 0"
    return None


def expected(fault: Fault, watched: Watched, phase: Phase) -> Shown:
    """Return what the metrics say after some polls."""
    kind, also = fault.kind, frozenset[str]()
    for ending, said in {"paused": {THROTTLED}, "used up": {THROTTLED, LIMIT}}.items():
        if kind.endswith(ending):
            kind, also = kind.removesuffix(ending).strip(), frozenset(said)
    if kind in _OF_RECORDS:
        shown = _of_records(kind, watched, phase)
    elif kind == "field":
        shown = Shown(also=frozenset(_field(fault.name.strip("`"), watched, phase)))
    elif kind == "empty":
        shown = _empty(watched, phase)
    elif kind.partition(" ")[0] == "state":
        shown = _state(fault, phase)
    elif kind == "rotated":
        shown = Shown(True, frozenset({"auth"}))
    elif kind in set(Reason):
        shown = Shown(False, frozenset({kind}))
    else:
        shown = _GOOD
    return Shown(shown.up, shown.reasons, shown.also | also)


def _of_records(kind: str, watched: Watched, phase: Phase) -> Shown:
    failed = Shown(False, frozenset({_OF_RECORDS[kind].value}))
    lost = Shown(True, also=frozenset({f"{REJECTED}:{_REJECTED_FOR[kind]}"})) if kind in _REJECTED_FOR else _GOOD
    if watched.by_id:
        return _by_id(kind, failed, lost, phase)
    if kind in map(str, NO_LIST) and watched.kind == "workflow_batches" and phase is Phase.BACKFILL:
        # It is taken for an account without the list until it has it.
        return _GOOD
    if phase is Phase.REFRESH and watched.kind != "invocations":
        # Those of PackageX are on lists by status first.
        alone = watched.system == "inkit" or kind in REFUSALS
        return _unanswered(kind, failed, lost) if alone else failed
    if phase is Phase.RECONCILE and kind in REFUSALS and watched.system == "inkit":
        return Shown(True, failed.reasons, frozenset({TRUNCATED}))
    return failed


def _by_id(kind: str, failed: Shown, lost: Shown, phase: Phase) -> Shown:
    """Return what is said of an account without the list."""
    alone = phase in (Phase.REFRESH, Phase.RECONCILE)
    if kind in ("404", "410") and (alone or kind == "404"):
        return Shown(True, also=frozenset({VANISHED} if phase is not Phase.BACKFILL else ()))
    return _unanswered(kind, failed, lost) if alone else Shown(False, failed.reasons, lost.also)


def _unanswered(kind: str, failed: Shown, lost: Shown) -> Shown:
    """Return what is said if no request by ID is answered: records are not understood, or the poll fails."""
    return lost if kind in _REJECTED_FOR else failed


def _field(name: str, watched: Watched, phase: Phase) -> Iterator[str]:
    """Yield what the metrics say of a field with wrong types."""
    if name in ("id", "created_at", "status"):
        yield f"{REJECTED}:{name}"
    elif name in ("destinations.*", "destinations.*.status") and watched.kind == "invocations":
        yield f"{UNKNOWN}:status"
    elif name in _READ and (name not in _OF_UNFINISHED or phase is not Phase.RECONCILE or watched.by_id):
        yield from (f"{UNKNOWN}:{field}" for field in {name.partition(".")[0], *_READ[name]})


def _empty(watched: Watched, phase: Phase) -> Shown:
    if watched.by_id or phase is Phase.REFRESH:
        return _GOOD
    malformed = frozenset({"malformed"})
    if phase is Phase.RECONCILE and watched.system == "inkit":
        return Shown(True, malformed, frozenset({TRUNCATED}))
    return Shown(False, malformed)


def _state(fault: Fault, phase: Phase) -> Shown:
    if phase is Phase.SHUTDOWN and fault.kind == "state unreadable":
        return Shown(None)
    if phase is Phase.RELOAD and fault.kind in ("state unreadable", "state moved"):
        return Shown(False, also=frozenset({NO_COUNTERS}))
    return Shown(False, frozenset({"state"}))
