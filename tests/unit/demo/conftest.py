"""What the tests of the mock API share: a running one over an empty world, and a client."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from exporter.demo.listing import Readings
from exporter.demo.server import MockApi
from exporter.demo.world import World

NOW = 1_700_000_000.0
TOKEN = "a-token-of-the-tests"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Asks a mock API as an account's owner would."""

    session: requests.Session
    mock_api: MockApi

    def get(self, path: str, **params: str | int) -> requests.Response:
        return self.session.get(self.mock_api.url + path, params=params, timeout=5, allow_redirects=False)

    def page(self, path: str, **params: str | int) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, path: str, **params: str | int) -> list[str]:
        return [item["id"] for item in self.page(path, **params)["items"]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return World(random.Random(1), clock)


@pytest.fixture
def readings() -> Readings:
    return Readings()


@pytest.fixture
def mock_api(world: World, readings: Readings) -> Iterator[MockApi]:
    with MockApi(world, TOKEN, readings=readings) as running:
        yield running


@pytest.fixture
def client(mock_api: MockApi) -> Iterator[Client]:
    with requests.Session() as session:
        session.headers["X-Inkit-API-Token"] = TOKEN
        yield Client(session, mock_api)
