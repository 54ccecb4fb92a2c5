"""What the tests of TLS share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, certificates: Path) -> Path:
    """Return a folder with certificates that a test may change."""
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    return tmp_path
