"""Single batches of PackageX as `inspect` shows them, and their files.

The facts are from "Retrieve Batches" and the batch model of the vendor's API reference.
"""

from collections.abc import Iterator, Mapping

from exporter.client import JSON
from exporter.client.download import SecretUrl
from exporter.systems.detail import (
    Detail,
    Details,
    Moment,
    Span,
    Value,
    as_text,
    as_value,
    as_words,
    moment,
    record_with_id,
    table,
    unreadable,
)
from exporter.systems.fields import FINAL
from exporter.systems.packagex.error_files import row_errors
from exporter.systems.times import epoch_time

_FIELDS = ("resource", "action", "mode", "via", "duplicate_handling")
_MORE_FIELDS = ("updated_by", "organization_id", "checksum")
_COUNTS = ("total", "processed", "success", "error")
_FILES = ("upload_csv", "upload_json", "errors_csv", "errors_json", "result_json")


def _read(collector: str, record_id: str, answer: JSON) -> Detail:
    del collector  # There is only one.
    data = answer.get("data") if isinstance(answer, dict) else None
    item = record_with_id(data, record_id)
    fields = {"status": as_value(item.get("status")), "reason": as_words(item.get("reason"))}
    fields |= {name: as_value(item.get(name)) for name in _FIELDS}
    fields |= {name: moment(item.get(name), epoch_time) for name in ("created_at", "updated_at")}
    fields |= {"took": _took(fields)} | {name: as_value(item.get(name)) for name in _MORE_FIELDS}
    phases = item.get("phases")
    stats = item.get("stats")
    return Detail(
        record_id,
        fields | unreadable("phases", phases, list) | unreadable("stats", stats, dict),
        (
            *table("phases", ("phase", "mode", *_COUNTS), _phases(phases)),
            *table("stats", ("change", "count"), stats.items() if isinstance(stats, dict) else ()),
        ),
        files={_name(file): SecretUrl(url) for file in _FILES if (url := as_text(item.get(f"_{file}_url")))},
    )


def _name(file: str) -> str:
    """Return the end of a file's name: `errors.csv` for `errors_csv`."""
    return file.replace("_", ".")


def _took(fields: Mapping[str, Value]) -> Value:
    """Return the time from creation to the last update of a batch that is finished."""
    created, updated = fields["created_at"], fields["updated_at"]
    if str(fields["status"]).lower() in FINAL and isinstance(created, Moment) and isinstance(updated, Moment):
        return Span(max(0.0, updated.seconds - created.seconds))
    return None


def _phases(found: JSON) -> Iterator[tuple[JSON, ...]]:
    for entry in found if isinstance(found, list) else ():
        phase = entry if isinstance(entry, dict) else {"name": entry}
        yield tuple(phase.get(column) for column in ("name", "mode", *_COUNTS))


DETAILS = Details(
    {"": "batches"},
    _read,
    {_name(file): f"include_{file}" for file in _FILES},
    ("errors.json", "errors.csv"),
    row_errors,
)
"""The reference names no prefix of a batch's ID; its example is `batch_123`."""
