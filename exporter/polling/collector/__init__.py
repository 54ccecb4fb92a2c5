"""One poll of one collector: from the pages of a list to the records in the state. No threads, and no rendering."""

from exporter.polling.collector.collector import Collector
from exporter.polling.collector.limits import Limits
from exporter.polling.collector.result import PollResult
from exporter.polling.collector.trusted_clock import boot

__all__ = ["Collector", "Limits", "PollResult", "boot"]
