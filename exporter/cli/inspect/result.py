"""The result of an inspection, and the same as a JSON document. Its form for a terminal is in text.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.cli.inspect.formatting import plain
from exporter.cli.inspect.row_errors import Summary
from exporter.systems.detail import Detail


@dataclass(frozen=True, slots=True)
class Result:
    """A record, and what was downloaded of its files."""

    account: str
    system: str
    collector: str
    detail: Detail
    in_flight: bool | None
    """Whether the metrics count it as in flight; None where they leave it out."""
    rejected: str | None = None
    """Why the metrics leave it out, if they do."""
    errors: Summary | None = None
    """The row errors; None if the errors file was not requested, or there is none."""
    saved: Mapping[str, Path] | None = None
    """The paths of its files, by the files' names; None where they were not asked for."""

    def document(self, show_data: bool) -> dict[str, Any]:
        """Return plain values, which json.dumps can write.

        Times are ISO 8601 in UTC, lengths of time are seconds. What was not asked for has no key.
        """
        made: dict[str, Any] = {
            "account": self.account,
            "system": self.system,
            "collector": self.collector,
            "id": self.detail.id,
            "in_flight": self.in_flight,
            "rejected": self.rejected,
            "fields": {name: plain(value, show_data) for name, value in self.detail.fields.items()},
        }
        for table in self.detail.tables:
            rows = ([plain(value, show_data) for value in row] for row in table.rows)
            made[table.name] = [dict(zip(table.columns, row, strict=True)) for row in rows]
        if show_data:
            made["private"] = dict(self.detail.private)
        if self.errors is not None:
            kinds = [{"error": error, "rows": rows} for error, rows in self.errors.kinds]
            made["errors"] = {"rows": self.errors.rows, "kinds": kinds}
        if self.saved is not None:
            made["files"] = {name: str(path) for name, path in self.saved.items()}
        return made
