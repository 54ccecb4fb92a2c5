"""PackageX: its lists, statuses, families and single records."""

from exporter.systems.packagex.records import SOURCE

__all__ = ["SOURCE"]
