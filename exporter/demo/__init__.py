"""A mock API of the vendors' APIs, for `batch-exporter demo` and for tests; the exporter itself never needs it."""
