"""The image, built once for all its tests."""

from collections.abc import Iterator

import pytest

from tests.deploy.engine import ROOT, Engine

IMAGE = "localhost/batch-exporter:test"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine(tmp_path_factory.mktemp("podman"))
    try:
        made.make_base()
        yield made
    finally:
        made.forget()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    engine.build(ROOT, IMAGE)
    return IMAGE
