"""The endpoints of Inkit's API for batches and invocations. HTTP itself is in server.py.

Source: the vendor's API reference. It gives no example of an error's body: those here are invented.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, BadParameter, Request
from exporter.demo.items import Kind
from exporter.demo.listing import Readings, page, read_query
from exporter.demo.world import World

_TOKEN_HEADER = "x-inkit-api-token"  # noqa: S105 (the header's name)
_PATHS: Mapping[str, Kind] = {
    "/invoke/batch": "workflow_batches",
    "/invoke": "invocations",
    "/batch": "document_batches",
}


@dataclass(frozen=True, slots=True)
class InkitApi:
    """The mock API of Inkit."""

    base: ClassVar[str] = "/v1"
    world: World
    token: str
    readings: Readings = field(default_factory=Readings)

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        """Return the response to a request, None if the path is not one of this API."""
        found = _endpoint(request.path)
        if found is None:
            return None
        kind, record_id = found
        if request.headers.get(_TOKEN_HEADER) != self.token:
            return error(self.readings.wrong_token, "API token is missing or invalid")
        if record_id is None and kind == "workflow_batches" and self.readings.workflow_batch_list != 200:
            return error(self.readings.workflow_batch_list, "Not available")
        if request.method != "GET":
            return error(405, "Method not allowed", {"Allow": "GET"})
        if record_id is None:
            return self._list(kind, request.params, list_faults)
        text = self.world.text(kind, record_id)
        return error(404, "Not found") if text is None else Answer(200, text)

    def _list(self, kind: Kind, params: Mapping[str, str], list_faults: ListFaults) -> Answer:
        try:
            query = read_query(kind, params, self.readings)
        except BadParameter as refused:
            return error(422, str(refused))
        if list_faults.before_page is not None:
            list_faults.before_page(kind, query.page)
        return Answer(200, page(self.world, kind, query, self.readings, list_faults))


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps({"message": message, "status": status}).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


def _endpoint(path: str) -> tuple[Kind, str | None] | None:
    """Return the list that a path names, and the record's ID if it names one."""
    if path in _PATHS:
        return _PATHS[path], None
    parent, _, record_id = path.rpartition("/")
    # Invocations have a list only.
    if record_id and parent in _PATHS and parent != "/invoke":
        return _PATHS[parent], record_id
    return None
