"""Connections: listening, TLS, limits, and who is let in."""
