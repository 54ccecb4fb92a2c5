"""What the exporter costs, measured against a mock API of the API in another process. No test stands here."""
