"""What the tests of the mock API share: a running one over an empty world, and a client."""

import random
from collections.abc import Iterator

import pytest
import requests

from exporter.demo.listing import Readings
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import TOKEN, Client
from tests.support.rig import Clock


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
