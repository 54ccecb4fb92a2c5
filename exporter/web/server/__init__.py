"""Connections: listening, TLS, limits and authentication."""
