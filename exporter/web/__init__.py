"""The HTTP server: sockets, connections, responses and the web configuration. Metrics are made elsewhere."""
