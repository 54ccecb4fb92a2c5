"""What the tests of the configuration share: the systems it may name, and a way to write a file."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.model.system import System
from exporter.systems import sources


@pytest.fixture
def systems() -> Mapping[str, System]:
    return {name: source.system for name, source in sources().items()}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Return a function that writes a configuration file and returns its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
