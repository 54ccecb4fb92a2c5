"""Fixtures that several test modules share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.state import prepared
from tests.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with prepared(tmp_path / "state.db") as state:
        made = Rig(state)
        with made.stand_in:
            yield made
