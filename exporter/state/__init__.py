"""What must outlive a poll and a restart: records, counters, marks. The only package that knows SQL."""

from exporter.state.file import State, prepared
from exporter.state.marks import Marks
from exporter.state.moved import Sight
from exporter.state.records import Records

__all__ = ["Marks", "Records", "Sight", "State", "prepared"]
