"""What must outlive a poll and a restart: records, counters, marks. The only package that knows SQL."""

from exporter.state.check import NO_TEMPORARY_FOLDER, problem
from exporter.state.checkpoint import Marks
from exporter.state.database import State, prepared
from exporter.state.pending import Sight
from exporter.state.records import Records

__all__ = ["NO_TEMPORARY_FOLDER", "Marks", "Records", "Sight", "State", "prepared", "problem"]
