"""What must outlive a poll and a restart: records, counters and checkpoints. The only package that knows SQL."""

from exporter.state.check import NO_TEMPORARY_FOLDER, problem
from exporter.state.checkpoint import Checkpoint
from exporter.state.database import State, prepared
from exporter.state.pending import Observation
from exporter.state.records import Changed, Records

__all__ = ["NO_TEMPORARY_FOLDER", "Changed", "Checkpoint", "Observation", "Records", "State", "prepared", "problem"]
