"""Clients of the mock API for its own tests: they ask over HTTP and read the JSON."""

from dataclasses import dataclass
from typing import Any

import requests

from exporter.demo.packagex.api import PackagexApi
from exporter.demo.server import MockApi
from tests.support.patience import GENEROUS

TOKEN = "a-token-of-the-tests"
KEY = "a-key-of-the-tests"


@dataclass
class Client:
    """Ask a mock API as the owner of an Inkit account would."""

    session: requests.Session
    mock_api: MockApi

    def get(self, path: str, **params: str | int) -> requests.Response:
        return self.session.get(self.mock_api.url + path, params=params, timeout=GENEROUS, allow_redirects=False)

    def page(self, path: str, **params: str | int) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, path: str, **params: str | int) -> list[str]:
        return [item["id"] for item in self.page(path, **params)["items"]]


@dataclass
class PackagexClient:
    """Ask a mock API as the owner of a PackageX account would."""

    session: requests.Session
    mock_api: MockApi
    api: PackagexApi

    def get(self, path: str, **params: str | int) -> requests.Response:
        return self.session.get(self.mock_api.url + path, params=params, timeout=GENEROUS, allow_redirects=False)

    def page(self, path: str = "/batches", **params: str | int) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, **params: str | int) -> list[str]:
        return [item["id"] for item in self.page("/batches", **params)["data"]]

    def pagination(self, **params: str | int) -> Any:
        return self.page("/batches", **params)["pagination"]
