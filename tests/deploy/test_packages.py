"""Both packages have the same files, and a fresh Debian installs, runs and removes the deb."""

import re
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.main import MISUSED
from tests.support import debian, wheels
from tests.support.container_engine import EPOCH, Engine, output, run
from tests.support.paths import ROOT
from tests.support.patience import GENEROUS
from tools import packages
from tools.packages import CONFIG, HOME, PYTHON, UNIT

pytestmark = [pytest.mark.programs, pytest.mark.slow]

IMAGE = "localhost/debian:fresh"
REVISION = "0123abc"
SCRAPE = (
    "import sys, urllib.request as r; sys.stdout.write(r.urlopen('http://127.0.0.1:10977/metrics').read().decode())"
)
# In these folders, dpkg and its tools keep their own records after a removal.
KEPT_BY_DPKG = ("/var/lib/dpkg/", "/var/log/", "/var/cache/")
STATE = "/var/lib/private/batch-exporter"
WANTED = "/etc/systemd/system/multi-user.target.wants/batch-exporter.service"


@dataclass(frozen=True)
class Built:
    """Both packages, and the folder with the files of each."""

    deb: Path
    rpm: Path
    deb_files: Path
    rpm_files: Path


def build(checkout: Path, folder: Path) -> tuple[Path, Path]:
    """Build the packages of a checkout. Returns the deb and the rpm."""
    variables = [f"SOURCE_DATE_EPOCH={EPOCH}", f"BATCH_EXPORTER_REVISION={REVISION}"]
    variables += ["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheels.locked(PYTHON)}"]
    printed = output("env", "-C", checkout, *variables, sys.executable, "-m", "tools.packages", folder)
    deb, rpm = map(Path, printed.split())
    return deb, rpm


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("packages")
    deb, rpm = build(ROOT, folder / "dist")
    output("dpkg-deb", "--extract", deb, folder / "deb")
    shutil.copy(rpm, folder / "files.rpm")
    output("rpm2archive", folder / "files.rpm")
    with tarfile.open(folder / "files.rpm.tgz") as archive:
        archive.extractall(folder / "rpm", filter="tar")
    return Built(deb, rpm, folder / "deb", folder / "rpm")


@pytest.fixture(scope="module")
def engine(built: Built) -> Iterator[Engine]:
    """Make an engine with a Debian that has nothing but what every one has, and what the package depends on."""
    depends = output("dpkg-deb", "--field", built.deb, "Depends")
    names = re.sub(r" \(.*?\)|\s", "", depends)
    with tempfile.TemporaryDirectory(prefix="be-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Engine(Path(folder))
        try:
            made("import", "--quiet", debian.archive(["--variant=essential", f"--include={names}"]), IMAGE)
            yield made
        finally:
            made.forget()


@dataclass(frozen=True)
class Machine:
    """A fresh Debian without a network, with the package in /packages."""

    engine: Engine
    container: str
    deb: str

    def __call__(self, *words: str) -> str:
        """Return what a command prints. Fails if the command does."""
        return self.engine("exec", self.container, *words)

    def fails(self, *words: str) -> tuple[int, str]:
        """Return the status of a command and all that it prints."""
        done = self.engine.run("exec", self.container, *words)
        return done.returncode, done.stdout + done.stderr

    def files(self) -> set[str]:
        """Return the paths of all files but those that dpkg keeps."""
        found = self("find", "/", "-xdev", "-not", "-path", "/packages/*").splitlines()
        return {path for path in found if not path.startswith(KEPT_BY_DPKG)}


@pytest.fixture
def machine(engine: Engine, built: Built) -> Iterator[Machine]:
    mount = f"--volume={built.deb.parent}:/packages:ro"
    path = "--env=PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    container = engine("run", "--detach", "--network=none", mount, path, IMAGE, "sleep", "infinity").strip()
    try:
        yield Machine(engine, container, f"/packages/{built.deb.name}")
    finally:
        engine("rm", "--force", "--time=0", container)


def all_files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file, or the target of a link."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = str(path.readlink()).encode()
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_the_unit_differs_from_the_one_in_deploy_by_its_paths_alone(built: Built) -> None:
    packaged = (built.deb_files / UNIT).read_text().splitlines()
    plain = (ROOT / "deploy/systemd/batch-exporter.service").read_text().splitlines()
    changed = [pair for pair in zip(packaged, plain, strict=True) if pair[0] != pair[1]]
    assert [new for new, _ in changed] == [
        f"# /{UNIT}; docs/deployment.md has the few commands around it.",
        "ExecStart=/usr/bin/batch-exporter --config.file=/etc/batch-exporter/config.yaml $ARGS",
    ]
    assert [old.partition(" ")[2] for _, old in changed][1] == changed[1][0].partition(" ")[2]


def test_the_configuration_in_comments_is_that_of_the_unit(built: Built) -> None:
    text = (built.deb_files / CONFIG).read_text()
    assert yaml.safe_load(text) == {"accounts": []}
    example = "accounts:" + text.partition("accounts: []")[2].replace("\n#  ", "\n  ")
    assert yaml.safe_load(example) == yaml.safe_load((ROOT / "deploy/systemd/config.yaml").read_text())


def test_both_packages_have_the_same_files(built: Built) -> None:
    deb, rpm = all_files(built.deb_files), all_files(built.rpm_files)
    doc = packages.DOC
    assert deb.pop("usr/share/zsh/vendor-completions/_batch-exporter") == rpm.pop(
        "usr/share/zsh/site-functions/_batch-exporter"
    )
    assert rpm.pop("usr/share/licenses/batch-exporter/LICENSE") == (ROOT / "LICENSE").read_bytes()
    for name in (f"{doc}/copyright", f"{doc}/changelog.Debian.gz", "usr/share/lintian/overrides/batch-exporter"):
        del deb[name]
    assert deb.keys() == rpm.keys()
    assert [name for name in deb if deb[name] != rpm[name]] == []
    places = {name for name in deb if not name.startswith(f"{HOME}/")}
    assert places == {
        "usr/bin/batch-exporter",
        UNIT,
        CONFIG,
        f"{doc}/changelog.gz",
        f"{doc}/examples/config.example.yaml",
        "usr/share/man/man1/batch-exporter.1.gz",
        "usr/share/bash-completion/completions/batch-exporter",
        "usr/share/fish/vendor_completions.d/batch-exporter.fish",
    }


def test_the_libraries_are_the_locked_ones(built: Built) -> None:
    libraries = built.deb_files / packages.LIBRARIES
    found = {path.name.removesuffix(".dist-info").lower().replace("_", "-") for path in libraries.glob("*.dist-info")}
    locked = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "deploy/image/requirements.txt").read_text(), re.MULTILINE)
    assert found == {f"batch-exporter-{__version__}", *(f"{name}-{version}" for name, version in locked)}


def test_the_rpm_asks_for_the_same_and_keeps_a_changed_configuration(built: Built) -> None:
    def asked(*words: str) -> list[str]:
        return output("rpm", "--query", "--package", *words, built.rpm).splitlines()

    assert asked("--queryformat=%{NAME} %{VERSION} %{RELEASE} %{LICENSE}") == [
        f"batch-exporter {__version__} 1.python{PYTHON} Apache-2.0"
    ]
    glibc = re.search(r"libc6 \(>= (\S+)\)", output("dpkg-deb", "--field", built.deb, "Depends"))
    assert glibc
    needed = set(asked("--requires"))
    assert {f"python(abi) = {PYTHON}", f"/usr/bin/python{PYTHON}", f"glibc >= {glibc[1]}"} <= needed
    assert asked("--configfiles") == [f"/{CONFIG}"]
    assert {line.partition(" ")[0].partition("(")[0] for line in asked("--provides")} == {"batch-exporter"}
    assert not re.search(r"systemctl.* (start|enable|restart) ", "\n".join(asked("--scripts")))


def test_the_same_sources_give_the_same_packages(built: Built, tmp_path: Path) -> None:
    other = tmp_path / "a checkout"
    names = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "*.egg-info", "node_modules", "build")
    # The copy has other times and rights.
    shutil.copytree(ROOT, other, ignore=names, copy_function=shutil.copyfile)
    (other / "exporter/__pycache__").mkdir()
    (other / "exporter/__pycache__/left.cpython-311.pyc").write_bytes(b"over")
    again = build(other, tmp_path / "dist")
    assert [path.name for path in again] == [built.deb.name, built.rpm.name]
    assert [path.read_bytes() for path in again] == [built.deb.read_bytes(), built.rpm.read_bytes()]


def test_lintian_finds_nothing_that_has_no_reason(built: Built) -> None:
    done = run("lintian", "--fail-on=error,warning", "--tag-display-limit=0", built.deb)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_fresh_debian_installs_runs_and_removes_the_package(machine: Machine) -> None:
    before = machine.files()
    machine("dpkg", "--install", machine.deb)
    assert machine("batch-exporter", "--version").startswith(f"batch-exporter, version {__version__} (revision: ")
    status, printed = machine.fails("batch-exporter", f"--config.file=/{CONFIG}")
    assert status == MISUSED
    assert re.match(rf"/{CONFIG}:\d+: accounts: must have at least one account", printed)
    _runs_its_demo(machine)
    machine("sed", "--in-place", "/^accounts:/,$ { s/ \\[\\]//; s/^#  /  / }", f"/{CONFIG}")
    assert ": OK, 1 account" in machine("batch-exporter", "check", f"--config.file=/{CONFIG}")
    machine("sh", "-ec", f"mkdir -p {STATE} {Path(WANTED).parent}; ln -s /{UNIT} {WANTED}; touch {STATE}/state.db")
    machine("sh", "-ec", "ln -s private/batch-exporter /var/lib/batch-exporter; touch /etc/batch-exporter/inkit.token")

    machine("dpkg", "--remove", "batch-exporter")
    left = {path for path in machine.files() - before if "batch-exporter" in path}
    state = {STATE, f"{STATE}/state.db", "/var/lib/batch-exporter"}
    assert left == {"/etc/batch-exporter", f"/{CONFIG}", "/etc/batch-exporter/inkit.token", WANTED, *state}

    machine("dpkg", "--purge", "batch-exporter")
    # Folders that systemd makes, and that others use as well.
    assert machine.files() - before <= {"/var/lib/private", *map(str, Path(WANTED).parents)}
    assert before - machine.files() == set()


def _runs_its_demo(machine: Machine) -> None:
    demo = "echo $$ > /run/demo.pid; exec batch-exporter demo"
    machine.engine("exec", "--detach", machine.container, "sh", "-c", demo)
    python = f"/usr/bin/python{PYTHON}"
    deadline = time.monotonic() + GENEROUS
    while (scraped := machine.fails(python, "-Ic", SCRAPE))[0] != 0:
        assert time.monotonic() < deadline, scraped[1]
        time.sleep(0.2)
    assert f'revision="{REVISION}",version="{__version__}"' in scraped[1]
    assert "batch_exporter_backfilling{" in scraped[1]
    machine("sh", "-ec", "kill $(cat /run/demo.pid); timeout 30 tail --pid=$(cat /run/demo.pid) --follow /dev/null")
    machine("rm", "/run/demo.pid")


def test_every_library_finds_what_it_needs_of_the_system(machine: Machine) -> None:
    machine("dpkg", "--install", machine.deb)
    libraries = machine("find", f"/{HOME}", "-name", "*.so*", "-type", "f").split()
    assert any("psycopg_binary" in path for path in libraries)
    assert [line for line in machine("ldd", *libraries).splitlines() if "not found" in line] == []
    machine(f"/{HOME}/bin/python3", "-Ic", "import psycopg, psycopg_binary, exporter.state.postgres")


def test_nothing_is_started_or_enabled_but_what_runs_is_restarted_and_stopped(machine: Machine) -> None:
    log = 'echo "$*" >> /calls'
    machine("sh", "-ec", f"mkdir -p /run/systemd/system; printf '#!/bin/sh\\n{log}\\n' > /usr/bin/systemctl")
    machine("chmod", "755", "/usr/bin/systemctl")

    def calls(*words: str) -> set[str]:
        machine("sh", "-ec", ": > /calls")
        machine("dpkg", *words)
        made = machine("cat", "/calls").splitlines()
        verbs = {"start", "stop", "restart", "try-restart", "enable", "disable", "daemon-reload"}
        return {verb for line in made for verb in line.split() if verb in verbs}

    assert calls("--install", machine.deb) == {"daemon-reload"}
    assert calls("--install", machine.deb) == {"daemon-reload", "try-restart"}
    assert calls("--remove", "batch-exporter") == {"daemon-reload", "stop"}


def test_what_builds_the_packages_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.main([]) == 1
    assert capsys.readouterr().err == "dpkg and rpm missing: apt-get install dpkg rpm\n"
