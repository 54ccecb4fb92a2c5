"""Send GET requests to an API, with token, rate limit, retries and deadlines. Answers are not interpreted here."""

from exporter.client.client import Client, RequestMeter, Stopping
from exporter.client.error_response import ApiError
from exporter.client.request import JSON, Request

__all__ = ["JSON", "ApiError", "Client", "Request", "RequestMeter", "Stopping"]
