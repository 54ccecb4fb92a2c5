"""What the tests of PackageX's part of the mock API share: a running one over no batches, and a client."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.unit.demo.conftest import Clock

KEY = "a-key-of-the-tests"


@dataclass
class Client:
    """Asks a mock API as an account's owner would."""

    session: requests.Session
    mock_api: MockApi
    api: PackagexApi

    def get(self, path: str, **params: str | int) -> requests.Response:
        return self.session.get(self.mock_api.url + path, params=params, timeout=5, allow_redirects=False)

    def page(self, path: str = "/batches", **params: str | int) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, **params: str | int) -> list[str]:
        return [one["id"] for one in self.page("/batches", **params)["data"]]

    def pagination(self, **params: str | int) -> Any:
        return self.page("/batches", **params)["pagination"]


@pytest.fixture
def batches(clock: Clock) -> Batches:
    return Batches(random.Random(1), clock)


@pytest.fixture
def readings() -> PackagexReadings:
    return PackagexReadings()


@pytest.fixture
def client(batches: Batches, readings: PackagexReadings) -> Iterator[Client]:
    api = PackagexApi(batches, KEY, readings)
    with MockApi(World(), apis=(api, FileStore(batches))) as mock_api, requests.Session() as session:
        session.headers["PX-API-KEY"] = KEY
        yield Client(session, mock_api, api)
