"""What must outlive a poll and a restart: records, counters and checkpoints. The only package that knows SQL."""

from exporter.state.checkpoint import Checkpoint
from exporter.state.pending import Observation
from exporter.state.records import Changed, Records
from exporter.state.sqlite.check import NO_TEMPORARY_FOLDER, problem
from exporter.state.sqlite.database import SqliteState, prepared
from exporter.state.state import Sizes, State

__all__ = [
    "NO_TEMPORARY_FOLDER",
    "Changed",
    "Checkpoint",
    "Observation",
    "Records",
    "Sizes",
    "SqliteState",
    "State",
    "prepared",
    "problem",
]
