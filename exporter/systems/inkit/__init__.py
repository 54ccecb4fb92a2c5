"""Inkit: its families and statuses, its records, its lists, and how single records are shown."""

from exporter.systems.base import Source
from exporter.systems.inkit.detail import DETAILS
from exporter.systems.inkit.families import FAMILIES, SYSTEM
from exporter.systems.inkit.listing import listing

SOURCE = Source(SYSTEM, FAMILIES, listing, details=DETAILS)
