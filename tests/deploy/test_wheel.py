"""The wheel and the source archive that a release publishes: all that is needed is in them, and the wheel runs."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from exporter import __version__
from tests.support.container_engine import output, run
from tests.support.paths import ROOT
from tests.support.workflows import step_named

pytestmark = pytest.mark.slow

NAME = f"batch_exporter-{__version__}"
CONFIG = ROOT / "tests/unit/config/cases/two-accounts-of-one-system.good.yaml"


def sources() -> set[str]:
    """Return the files of the package, of whatever type."""
    paths = (path for path in (ROOT / "exporter").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in paths}


def needed(package: Distribution, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """Yield the installed distributions that one requires, and those that these require."""
    for requirement in map(Requirement, package.requires or ()):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield distribution(requirement.name)
            yield from needed(distribution(requirement.name), frozenset(requirement.extras))


def lend(installed: Distribution, folder: Path) -> None:
    """Link an installed distribution into another environment."""
    tops = {file.parts[0] for file in installed.files or () if file.parts[0] not in {"..", "__pycache__"}}
    for top in tops:
        if not (folder / top).exists():
            (folder / top).symlink_to(Path(str(installed.locate_file(top))))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what release.yml builds, built by its command."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout / name)
    shutil.copytree(ROOT / "exporter", checkout / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
    *_, command = step_named("release.yml", "Build the wheel")["run"].strip().splitlines()
    before, code, after = command.split("'")
    assert (before, after) == ("python -c ", "")
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / "dist"


@pytest.fixture(scope="module")
def bare(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel, and with no other packages than those that it requires."""
    folder = tmp_path_factory.mktemp("bare")
    output(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    wheel = dist / f"{NAME}-py3-none-any.whl"
    output(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    packages = Path(output(python, "-Ic", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for installed in needed(Distribution.at(packages / f"{NAME}.dist-info")):
        lend(installed, packages)
    return folder


def test_a_release_has_a_wheel_and_a_source_archive(dist: Path) -> None:
    assert {path.name for path in dist.iterdir()} == {f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"}


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(dist: Path) -> None:
    with zipfile.ZipFile(dist / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    assert {name for name in names if not name.startswith(f"{NAME}.dist-info/")} == sources()
    assert {"exporter/py.typed", "exporter/web/pages/runbooks.html", f"{NAME}.dist-info/licenses/LICENSE"} <= names


def test_every_file_of_the_package_is_in_the_source_archive(dist: Path) -> None:
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    assert names >= {*sources(), "pyproject.toml", "README.md", "LICENSE"}


def test_the_wheel_runs_with_what_it_asks_for_alone(bare: Path) -> None:
    program = bare / "bin/batch-exporter"
    where = output(bare / "bin/python", "-Ic", "import exporter; print(exporter.__file__)")
    assert Path(where.strip()).is_relative_to(bare)
    assert run(bare / "bin/python", "-Ic", "import pytest").returncode != 0
    assert output(program, "--version") == f"batch-exporter {__version__}\n"
    assert "--config.file" in output(program, "--help")
    assert output(program, "metrics") == (ROOT / "docs/metrics.md").read_text()
    code = "from exporter.web.pages.runbooks import runbooks_page; print(runbooks_page(), end='')"
    assert output(bare / "bin/python", "-Ic", code) == (ROOT / "exporter/web/pages/runbooks.html").read_text()
    assert ": OK, 2 accounts" in output(program, "check", f"--config.file={CONFIG}")


def test_every_module_of_the_wheel_can_be_imported_with_what_it_asks_for_alone(bare: Path) -> None:
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in sources()
        if name.endswith(".py")
    ]
    code = f"""
import importlib
for name in {sorted(modules)!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
    assert set(output(bare / "bin/python", "-Ic", code).split()) == {"psycopg"}, "which an extra brings"
