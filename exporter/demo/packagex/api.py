"""The endpoints of PackageX's API for batches. HTTP itself is in server.py.

Source: "Retrieve Batches", "Authentication" and "Requests & Responses" of the vendor's API reference. Only
GET is mocked: every other method is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, BadParameter, Request
from exporter.demo.memory_store import compact
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.envelope import enveloped, refused
from exporter.demo.packagex.files import FILES, links
from exporter.demo.packagex.listing import PackagexReadings, page, read_query, with_times

_TOKEN_HEADERS = ("px-api-key", "x-api-key")
_LIST = "/batches"
_BOOLEANS = {"true": True, "false": False}


@dataclass(slots=True)
class PackagexApi:
    """The mock API of PackageX. Its `readings` may be replaced while it serves."""

    base: ClassVar[str] = "/v1"
    batches: Batches
    token: str = "demo-key"  # noqa: S105 (not a secret)
    readings: PackagexReadings = field(default_factory=PackagexReadings)

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        """Return the response to a request, None if the path is not one of this API."""
        if request.path != _LIST and not request.path.startswith(f"{_LIST}/"):
            return None
        path, readings = self.base + request.path, self.readings
        if all(request.headers.get(name) != self.token for name in _TOKEN_HEADERS):
            return refused(readings.wrong_token, path, "The API key is missing or invalid")
        if request.method != "GET":
            return refused(405, path, "Method not allowed", headers={"Allow": "GET"})
        try:
            if request.path == _LIST:
                return self._list(request, path, readings, list_faults)
            return self._batch(request, path, readings)
        except BadParameter as wrong:
            return refused(readings.wrong_parameter, path, "The request is not valid", errors=[str(wrong)])

    def _list(self, request: Request, path: str, readings: PackagexReadings, list_faults: ListFaults) -> Answer:
        query = read_query(request.params, readings)
        if list_faults.before_page is not None:
            list_faults.before_page("batches", query.page)
        data, pagination = page(self.batches, query, readings, list_faults)
        return enveloped(path, data, pagination)

    def _batch(self, request: Request, path: str, readings: PackagexReadings) -> Answer:
        batch_id = request.path.removeprefix(f"{_LIST}/")
        included = [name for name in FILES if _flag(request.params, f"include_{name}")]
        text = self.batches.text(batch_id)
        if text is None:
            return refused(404, path, "The batch does not exist")
        if included or readings.times != "seconds":
            batch = json.loads(text)
            offered = links(batch, self.batches.saved(batch_id), _host(request), self.batches.clock())
            wanted = {f"_{name}_url": offered[name] for name in included if name in offered}
            text = compact(with_times(batch, readings) | wanted)
        return enveloped(path, text)


def _flag(params: Mapping[str, str], name: str) -> bool:
    text = params.get(name, "false")
    if text not in _BOOLEANS:
        raise BadParameter(f"{name} must be a boolean")
    return _BOOLEANS[text]


def _host(request: Request) -> str:
    """Return the host of the files: this server under another name, so that it is another host to a client."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"localhost:{port}" if port.isdigit() else "localhost"
