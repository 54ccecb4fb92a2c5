"""Asking an API: one GET with everything that must go with it. What the answers mean is not known here."""

from exporter.client.client import Client, Request, RequestMeter, Stopping

__all__ = ["Client", "Request", "RequestMeter", "Stopping"]
