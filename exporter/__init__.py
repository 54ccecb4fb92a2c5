"""A Prometheus exporter for the batches and invocations of document and shipment services."""

__version__ = "0.1.0"
