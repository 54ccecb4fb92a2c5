"""The image, built once for all its tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.container_engine import Engine
from tests.support.paths import ROOT

IMAGE = "localhost/batch-exporter:test"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    # podman takes no path of more than 50 characters for what it runs.
    with tempfile.TemporaryDirectory(prefix="be-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Engine(Path(folder))
        try:
            made.make_base()
            yield made
        finally:
            made.forget()


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    engine.build(ROOT, IMAGE)
    return IMAGE
