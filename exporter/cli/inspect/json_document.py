"""What was found as a document for programs: plain values, which json.dumps can write."""

from typing import Any

from exporter.cli.inspect.formatting import plain
from exporter.cli.inspect.result import Found


def document(found: Found, show_data: bool) -> dict[str, Any]:
    """All of it. Times are ISO 8601 in UTC, lengths of time are seconds; what was not asked for has no key."""
    detail = found.detail
    made: dict[str, Any] = {
        "account": found.account,
        "system": found.system,
        "collector": found.collector,
        "id": detail.id,
        "in_flight": found.in_flight,
        "rejected": found.rejected,
        "fields": {name: plain(value, show_data) for name, value in detail.fields.items()},
    }
    for table in detail.tables:
        rows = ([plain(value, show_data) for value in row] for row in table.rows)
        made[table.name] = [dict(zip(table.columns, row, strict=True)) for row in rows]
    if show_data:
        made["private"] = dict(detail.private)
    if found.errors is not None:
        kinds = [{"error": error, "rows": rows} for error, rows in found.errors.kinds]
        made["errors"] = {"rows": found.errors.rows, "kinds": kinds}
    if found.saved is not None:
        made["files"] = {name: str(path) for name, path in found.saved.items()}
    return made
