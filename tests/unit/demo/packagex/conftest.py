"""What the tests of PackageX's part of the mock API share: a running one over no batches, and a client."""

import random
from collections.abc import Iterator

import pytest
import requests

from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.listing import PackagexReadings
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import KEY, PackagexClient
from tests.support.rig import Clock


@pytest.fixture
def batches(clock: Clock) -> Batches:
    return Batches(random.Random(1), clock)


@pytest.fixture
def readings() -> PackagexReadings:
    return PackagexReadings()


@pytest.fixture
def client(batches: Batches, readings: PackagexReadings) -> Iterator[PackagexClient]:
    api = PackagexApi(batches, KEY, readings)
    with MockApi(World(), apis=(api, FileStore(batches))) as mock_api, requests.Session() as session:
        session.headers["PX-API-KEY"] = KEY
        yield PackagexClient(session, mock_api, api)
