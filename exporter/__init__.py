"""A Prometheus exporter for the batches and invocations of document and shipment services."""

__version__ = "0.2.0"
