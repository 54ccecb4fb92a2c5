"""What the image installs is locked, and the lock is in step with pyproject.toml."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "deploy/image"
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)", re.MULTILINE)


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def installed() -> list[str]:
    """Return the requirements of the image, which can keep its state in PostgreSQL."""
    project = pyproject()["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["postgres"]]


def pins(file: str) -> dict[str, str]:
    return {canonicalize_name(pin["name"]): pin["version"] for pin in PIN.finditer((FOLDER / file).read_text())}


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", installed()),
        ("build-requirements.txt", pyproject()["build-system"]["requires"]),
    ],
)
def test_every_dependency_is_locked_to_a_version_it_allows(file: str, wanted: list[str]) -> None:
    locked = pins(file)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), (
            f"{requirement}: run `make lock`"
        )


def test_nothing_is_locked_that_nothing_needs() -> None:
    text = (FOLDER / "requirements.txt").read_text()
    direct = {canonicalize_name(Requirement(requirement).name) for requirement in installed()}
    for name, block in zip(pins("requirements.txt"), PIN.split(text)[3::3], strict=True):
        needed_by = set(re.findall(r"#\s+(?:via )?([\w-]+)", block)) - {"via"}
        assert needed_by <= {"batch-exporter", *pins("requirements.txt")}
        assert ("batch-exporter" in needed_by) == (name in direct), f"{name}: run `make lock`"


@pytest.mark.parametrize("file", ["requirements.txt", "build-requirements.txt"])
def test_every_pin_has_hashes_and_no_address(file: str) -> None:
    text = (FOLDER / file).read_text()
    blocks = PIN.split(text)[3::3]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)
    assert "http" not in text


def test_the_base_is_pinned_by_version_and_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
