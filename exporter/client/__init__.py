"""Send GET requests to an API, with token, rate limit, retries and deadlines. Answers are not interpreted here."""

from exporter.client.client import Client, RequestMeter
from exporter.client.error_response import ApiError
from exporter.client.request import JSON, Request
from exporter.client.runner import Runner, ThreadRunner
from exporter.model.record import Stopping

__all__ = ["JSON", "ApiError", "Client", "Request", "RequestMeter", "Runner", "Stopping", "ThreadRunner"]
