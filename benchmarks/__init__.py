"""What the exporter costs, measured against a stand-in of the API in another process. No test stands here."""
