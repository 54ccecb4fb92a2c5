"""Asking an API: one GET with everything that must go with it. What the answers mean is not known here."""

from exporter.client.client import Client, RequestMeter, Stopping
from exporter.client.error_response import ApiError
from exporter.client.request import JSON, Request

__all__ = ["JSON", "ApiError", "Client", "Request", "RequestMeter", "Stopping"]
