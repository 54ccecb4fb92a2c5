"""What PackageX tells of one batch, for a person to read, and how its files are offered. What it counts for is in
packagex.py.

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
    moment,
    table,
    the_record,
    told,
    words,
)
from exporter.systems.fields import epoch_time
from exporter.systems.packagex.error_files import row_errors
from exporter.systems.packagex.families import FINAL

_FIELDS = ("resource", "action", "mode", "via", "duplicate_handling")
_MORE_FIELDS = ("updated_by", "organization_id", "checksum")
_COUNTS = ("total", "processed", "success", "error")
_FILES = ("upload_csv", "upload_json", "errors_csv", "errors_json", "result_json")


def _read(collector: str, record_id: str, answer: JSON) -> Detail:
    del collector  # There is but one.
    data = answer.get("data") if isinstance(answer, dict) else None
    item = the_record(data, record_id)
    fields = {"status": told(item.get("status")), "reason": words(item.get("reason"))}
    fields |= {name: told(item.get(name)) for name in _FIELDS}
    fields |= {name: moment(item.get(name), epoch_time) for name in ("created_at", "updated_at")}
    fields |= {"took": _took(fields)} | {name: told(item.get(name)) for name in _MORE_FIELDS}
    phases = item.get("phases")
    stats = item.get("stats")
    return Detail(
        record_id,
        fields | _unreadable("phases", phases, list) | _unreadable("stats", stats, dict),
        (
            *table("phases", ("phase", "mode", *_COUNTS), _phases(phases)),
            *table("stats", ("change", "count"), stats.items() if isinstance(stats, dict) else ()),
        ),
        files={_name(one): SecretUrl(url) for one in _FILES if (url := as_text(item.get(f"_{one}_url")))},
    )


def _name(file: str) -> str:
    """`errors_csv` as the end of a file's name: `errors.csv`."""
    return file.replace("_", ".")


def _took(fields: Mapping[str, Value]) -> Value:
    """From its creation to its last update, if that was its end."""
    created, updated = fields["created_at"], fields["updated_at"]
    if str(fields["status"]).lower() in FINAL and isinstance(created, Moment) and isinstance(updated, Moment):
        return Span(max(0.0, updated.seconds - created.seconds))
    return None


def _phases(found: JSON) -> Iterator[tuple[JSON, ...]]:
    for one in found if isinstance(found, list) else ():
        phase = one if isinstance(one, dict) else {"name": one}
        yield tuple(phase.get(column) for column in ("name", "mode", *_COUNTS))


def _unreadable(name: str, found: JSON, expected: type) -> dict[str, Value]:
    return {} if found is None or isinstance(found, expected) else {name: told(found)}


DETAILS = Details(
    {"": "batches"},
    _read,
    {_name(one): f"include_{one}" for one in _FILES},
    ("errors.json", "errors.csv"),
    row_errors,
)
"""The reference names no prefix of a batch's id; its example is `batch_123`."""
