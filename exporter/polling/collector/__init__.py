"""One poll of one collector: from the list's pages to the records in the state. Threads and metrics are not here."""

from exporter.polling.collector.collector import Collector, Limits
from exporter.polling.collector.poll import Found
from exporter.polling.collector.trusted_clock import boot

__all__ = ["Collector", "Found", "Limits", "boot"]
