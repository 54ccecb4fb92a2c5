"""Mock APIs of both vendors, for `batch-exporter demo` and for tests; the exporter itself never needs them."""
