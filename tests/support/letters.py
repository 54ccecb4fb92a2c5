"""The API that docs/adding-a-system.md makes up, for the mock API's server. What is tested is not here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, Request

KEY = "demo-key"


@dataclass
class AcmeApi:
    """Letters in the order in which they were made, as the page says."""

    letters: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    base: str = "/v1"

    def add(self, letters: Iterable[Mapping[str, Any]]) -> None:
        """Add letters, or put them in the place of those with their IDs."""
        self.letters.update({letter["id"]: letter for letter in letters})

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        """None for what is not below `/letters`."""
        _, collection, *below = request.path.split("/")
        if collection != "letters":
            return None
        if request.headers.get("acme-key") != KEY:
            return Answer(401, b"{}")
        if below:
            found = self.letters.get(below[0])
            return Answer(404, b"{}") if found is None else Answer(200, json.dumps(found).encode())
        size = int(request.params["per_page"])
        start = (int(request.params["page"]) - 1) * size
        page = list(self.letters.values())[start : start + size]
        return Answer(200, json.dumps({"letters": page, "total": len(self.letters)}).encode())
