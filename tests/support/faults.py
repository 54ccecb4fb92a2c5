"""Make the faults of one response of a mock API."""

from collections.abc import Mapping

from exporter.demo.faults import Delivery, Fault
from exporter.demo.http_types import Answer


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> Fault:
    """Respond with a status, such as 429 with `{"Retry-After": "3"}`, or 503."""
    return Fault(Answer(code, body, {"Content-Type": "application/json", **(headers or {})}))


def redirect(location: str, code: int = 301) -> Fault:
    return status(code, {"Location": location})


def html(code: int = 200) -> Fault:
    """Respond with an HTML page, as proxies do during maintenance."""
    body = b"<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"
    return Fault(Answer(code, body, {"Content-Type": "text/html; charset=utf-8"}))


def raw(body: bytes, code: int = 200) -> Fault:
    """Respond with any bytes under a JSON content type, such as `null`, `[]`, `{"items": 3}`, or none."""
    return Fault(Answer(code, body))


def empty() -> Fault:
    return raw(b"")


def huge(size: int, *, declared: bool = True) -> Fault:
    """Respond with a body of `size` bytes, sent as fast as it is read; without `declared`, it has no Content-Length."""
    return Fault(Answer(200), delivery=Delivery.HUGE, size=size, declared=declared)


def truncated() -> Fault:
    """Send only the first half of the true response."""
    return Fault(delivery=Delivery.TRUNCATED)


def reset() -> Fault:
    return Fault(delivery=Delivery.RESET)


def hang() -> Fault:
    return Fault(delivery=Delivery.HUNG)


def drip(every: float, *, head: bool = False) -> Fault:
    """Send the true response, one byte each `every` seconds: no read times out, and it never ends."""
    return Fault(delivery=Delivery.DRIPPED_HEAD if head else Delivery.DRIPPED, every=every)


def latency(seconds: float) -> Fault:
    """Send the true response after `seconds`."""
    return Fault(latency=seconds)
