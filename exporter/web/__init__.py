"""The exporter's HTTP server: what it listens on, what it answers, how it treats clients. No metric is made here."""
