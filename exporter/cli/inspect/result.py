"""What an inspection has found, as one value. How it is shown is not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporter.cli.inspect.row_errors import Summary
from exporter.systems.detail import Detail


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and what was fetched of its files."""

    account: str
    system: str
    collector: str
    detail: Detail
    in_flight: bool | None
    """As the metrics see it; None where they can't."""
    rejected: str | None = None
    """Why the metrics leave it out, if they do."""
    errors: Summary | None = None
    """None where no errors file was asked for, or none is offered."""
    saved: Mapping[str, Path] | None = None
    """Where its files are, by their names; None where they were not asked for."""
