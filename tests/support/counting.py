"""What gauges and counters must come to, counted from the vendor's JSON by other means than the exporter's."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from exporter.demo.items import Item, Kind
from exporter.model.record import Key

FINISHED = ("completed", "failed")
_KINDS = {"document_batches": "document", "workflow_batches": "workflow"}


Batches = Literal["batches"]
"""PackageX's one list."""


UNNAMED = ("inkit_invocation_generations_finished_total", "none", "failed")
"""Invocations whose deliveries failed, and no destination says so."""


def _made(item: Item) -> tuple[str, ...]:
    return tuple(item[label] for label in ("resource", "action", "mode", "via"))


def created_at(item: Item) -> float:
    if "resource" in item:
        return float(item["created_at"])
    return datetime.fromisoformat(item["created_at"]).timestamp()


def word(status: str) -> str:
    return status.lower().replace(" ", "_")


def in_flight(kind: Kind | Batches, item: Item) -> bool:
    """Return whether any work of the record is open or has not begun."""
    if kind == "batches":
        return item["status"] in ("requested", "queued", "processing")
    if kind == "invocations":
        statuses = [destination["status"] for destination in item["destinations"].values()] or [
            item["destination_status"]
        ]
        return any(word(status) not in FINISHED for status in (item["status"], *statuses))
    begun: int = sum(destination["count"] for destination in item["destinations"].values())
    open_work: int = sum(destination["in_progress"] for destination in item["destinations"].values())
    if word(item["status"]) == "failed":
        return open_work > 0
    return word(item["status"]) != "completed" or open_work > 0 or begun < item["total"]


def gauges(kind: Kind | Batches, items: Iterable[Item]) -> Counter[Key]:
    """Return the vendor's gauges, without the series that are 0."""
    counted: Counter[Key] = Counter()
    for item in items:
        if kind == "batches":
            counted["packagex_batches", *_made(item), item["status"]] += 1
            for phase in item["phases"]:
                of = ("packagex_batch_items", item["resource"], phase["name"])
                for outcome in ("success", "error"):
                    counted[*of, outcome] += phase[outcome]
                counted[*of, "pending"] += phase["total"] - phase["processed"]
            for change, count in item["stats"].items():
                counted["packagex_batch_changes", item["resource"], change] += count
            continue
        if kind == "invocations":
            counted["inkit_invocations", word(item["status"]), word(item["destination_status"])] += 1
            for name, destination in item["destinations"].items():
                counted["inkit_invocation_generations", name, word(destination["status"])] += 1
            continue
        counted["inkit_batches", _KINDS[kind], word(item["status"])] += 1
        counted["inkit_batch_documents", _KINDS[kind]] += item["total"]
        for name, destination in item["destinations"].items():
            for status in (*FINISHED, "in_progress"):
                counted["inkit_batch_generations", _KINDS[kind], name, status] += destination[status]
    return +counted


def finished(kind: Kind | Batches, item: Item) -> Counter[Key]:
    """Return what one record adds to the counters if it was watched from its beginning."""
    counted: Counter[Key] = Counter()
    over = int(not in_flight(kind, item))
    if kind == "batches":
        counted["packagex_batches_finished_total", *_made(item), item["status"]] = over
        for phase in item["phases"]:
            for outcome in ("success", "error"):
                of = ("packagex_batch_items_finished_total", item["resource"], phase["name"], outcome)
                counted[of] += phase[outcome]
        return +counted
    if kind == "invocations":
        status, roll_up = word(item["status"]), word(item["destination_status"])
        counted["inkit_invocations_finished_total", status] = int(over or status == "failed")
        named = [
            destination for destination in item["destinations"].values() if word(destination["status"]) == "failed"
        ]
        counted[*UNNAMED] = int(roll_up == "failed" and not named)
        for name, destination in item["destinations"].items():
            done = int(word(destination["status"]) in FINISHED)
            counted["inkit_invocation_generations_finished_total", name, word(destination["status"])] = done
        return +counted
    status = word(item["status"])
    counted["inkit_batches_finished_total", _KINDS[kind], status] = int(over or status == "failed")
    for name, destination in item["destinations"].items():
        for status in FINISHED:
            counted["inkit_batch_generations_finished_total", _KINDS[kind], name, status] = destination[status]
    return +counted
