"""The version is that of `exporter/__init__.py`, and its copies in other files are the same."""

import re

import pytest

from exporter import __version__
from tests.support.container_engine import output
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

COPIES = {
    "CHANGELOG.md": r"(?m)\A(?:(?!## \[\d).*\n)*## \[(\d\S*)\] - ",
    "Dockerfile": r'org\.opencontainers\.image\.version="(.*)"',
    "deploy/compose.yaml": r"image: batch-exporter:(\S+)",
    "deploy/helm/batch-exporter/Chart.yaml": r"(?m)^(?:v|appV)ersion: (.*)$",
    "deploy/kubernetes/exporter/kustomization.yaml": r"newTag: (\S+)",
}
IMAGE = re.compile(r"\bbatch-exporter:v?(\d+\.\d+\.\d+[\w.+-]*)")
"""The image, wherever it is named."""


@pytest.mark.parametrize("file", COPIES)
def test_a_copy_of_the_version_is_the_same(file: str) -> None:
    found = re.findall(COPIES[file], (ROOT / file).read_text())
    assert found, f"{file} has no version"
    assert set(found) == {__version__}, file


def test_the_image_is_named_with_this_version_everywhere() -> None:
    names = output("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in names if (ROOT / name).is_file()}
    found = {name: set(IMAGE.findall(text)) for name, text in texts.items() if IMAGE.search(text)}
    assert {"deploy/compose.yaml", "docs/deployment.md"} <= found.keys()
    assert {name: versions for name, versions in found.items() if versions != {__version__}} == {}


def test_make_prints_the_version() -> None:
    assert output("make", "--no-print-directory", "-C", ROOT, "version") == f"{__version__}\n"
