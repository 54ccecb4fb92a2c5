"""What must outlive a poll and a restart: records, counters, marks. The only package that knows SQL."""

from exporter.state.file import State, prepared
from exporter.state.records import Marks, Records

__all__ = ["Marks", "Records", "State", "prepared"]
