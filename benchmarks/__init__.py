"""What the exporter costs, measured against a mock API in another process. It has no tests."""
