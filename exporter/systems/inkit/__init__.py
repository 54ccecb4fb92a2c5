"""Inkit: its lists, statuses, families and single records."""

from exporter.systems.inkit.records import SOURCE

__all__ = ["SOURCE"]
