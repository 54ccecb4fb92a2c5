"""One poll of one collector: from the list's pages to the records in the state. Threads and metrics are not here."""

from exporter.engine.clock import boot
from exporter.engine.collector import Collector, Limits
from exporter.engine.poll import Found

__all__ = ["Collector", "Found", "Limits", "boot"]
