"""The versions of Prometheus that tests start: Debian's, and where Go is installed a 3.x, built once."""

import pytest

from tools import prometheus3

SYSTEM = "2.x"
"""The one in PATH, Debian's 2.42 or newer."""
VERSIONS = (SYSTEM, "3.x") if prometheus3.is_available() else (SYSTEM,)
NEWEST = VERSIONS[-1]
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)


def program(version: str) -> str:
    """Return the command of a version. Building it takes minutes, the first time."""
    return "prometheus" if version == SYSTEM else str(prometheus3.built() / "prometheus")
