"""PackageX: its families and statuses, its records, its list, and how single records are shown."""

from exporter.systems.base import Source
from exporter.systems.packagex.detail import DETAILS
from exporter.systems.packagex.families import FAMILIES, SYSTEM
from exporter.systems.packagex.listing import error_response, listing

SOURCE = Source(SYSTEM, FAMILIES, listing, error_response, details=DETAILS)
