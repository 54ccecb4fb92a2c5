"""The image is built from the Dockerfile, on a substitute of its base, and does what docs/deployment.md says of it."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.support.container_engine import Engine
from tests.support.paths import ROOT
from tests.support.patience import eventually

pytestmark = [pytest.mark.programs, pytest.mark.slow]

# compose.yaml and the manifests run it with these options. It has no network but its own loopback.
HARDENED = ("--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
COMMAND = "--config.file=/etc/batch-exporter/config.yaml"
ASK = "from urllib.request import urlopen as u; print(u('http://127.0.0.1:10977{}').read().decode())"
LIBRARIES = (
    "from importlib.metadata import distributions as d;"
    "print(*sorted(f'{found.name.lower().replace(\"_\", \"-\")}=={found.version}' for found in d()), sep='\\n')"
)
TRY = "import os, pathlib; print(os.getuid(), os.access('/', os.W_OK)); print(open('/proc/self/status').read())"


@contextmanager
def running(engine: Engine, image: str, *words: str | Path) -> Iterator[str]:
    """Run a container of the image, and yield its ID once the image's own check finds it healthy."""
    # The interval is disabled, because systemd would have to repeat the check.
    container = engine(
        "run", "--detach", "--health-interval=disable", *HARDENED, *words[:-1], image, str(words[-1])
    ).strip()
    try:

        def serves() -> bool:
            assert inspected(engine, container)["State"]["Running"], engine.logs(container)
            return healthy(engine, container)

        eventually(serves, lambda: engine.logs(container), pause=0.2)
        yield container
    finally:
        engine("rm", "--force", container)


def configured(folder: Path) -> tuple[str, ...]:
    """Return mounts of the configuration of the manifests, and of a token that no API accepts."""
    tokens = folder / "tokens"
    tokens.mkdir()
    (tokens / "inkit").write_text("not-a-token")
    # For the user of the image, whatever the umask is.
    tokens.chmod(0o755)
    (tokens / "inkit").chmod(0o644)
    config = ROOT / "deploy/kubernetes/exporter/config.yaml"
    return (
        f"--volume={config}:/etc/batch-exporter/config.yaml:ro",
        f"--volume={tokens}:/run/secrets/batch-exporter:ro",
    )


def healthy(engine: Engine, container: str) -> bool:
    """Return whether the image's HEALTHCHECK succeeds now."""
    return engine.succeeds("healthcheck", "run", container)


def inspected(engine: Engine, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(engine("inspect", name))
    return found[0]


def test_the_image_says_what_it_is_and_how_it_runs(engine: Engine, image: str) -> None:
    config = inspected(engine, image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["batch-exporter"]
    assert config["Cmd"] == ["--config.file=/etc/batch-exporter/config.yaml"]
    assert config["Volumes"] == {"/data": {}}
    assert config["WorkingDir"] == "/data"
    assert config["ExposedPorts"] == {"10977/tcp": {}}
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == (__version__, "0123abc", "Apache-2.0")


def test_it_runs_with_no_rights_and_shows_which_commit_it_is(engine: Engine, image: str) -> None:
    with running(engine, image, "--tmpfs=/tmp", "demo") as container:
        printed = engine("exec", container, "python3", "-Ic", TRY)
        assert printed.startswith("10001 False\n")
        assert re.search(r"^CapEff:\t0+$", printed, re.MULTILINE)
        page = engine("exec", container, "python3", "-Ic", ASK.format("/metrics"))
        assert f'revision="0123abc",version="{__version__}"' in page


def test_it_runs_as_a_user_that_the_image_does_not_know(engine: Engine, image: str, tmp_path: Path) -> None:
    """OpenShift and `docker run --user` use such a user, who is in the group 0."""
    words = ("--user=1000680000:0", *configured(tmp_path), "--volume=of-another:/data", COMMAND)
    with running(engine, image, *words) as container:
        assert "batch-exporter.db" in engine("exec", container, "ls", "/data")


def test_it_ends_by_itself_when_asked_to(engine: Engine, image: str) -> None:
    with running(engine, image, "--tmpfs=/tmp", "demo") as container:
        # It takes two seconds at most; the rest is for a busy machine. Then the engine kills it, with another status.
        engine("stop", "--time=20", container)
        assert inspected(engine, container)["State"]["ExitCode"] == 0


def test_with_the_configuration_of_the_manifests_the_state_is_on_the_volume(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    with running(engine, image, *configured(tmp_path), "--volume=state:/data", COMMAND) as container:
        page = engine("exec", container, "python3", "-Ic", ASK.format("/metrics"))
        assert 'batch_exporter_backfilling{account="production"' in page
    with running(engine, image, "--volume=state:/data", "--tmpfs=/tmp", "demo") as container:
        assert "batch-exporter.db" in engine("exec", container, "ls", "/data")


def test_the_program_and_its_locked_libraries_are_all_that_is_added(engine: Engine, image: str) -> None:
    with running(engine, image, "--tmpfs=/tmp", "demo") as container:
        found = engine("exec", container, "python3", "-Ic", LIBRARIES).split()
        added = engine("exec", container, "ls", "/opt", "/data").split()
    locked = re.findall(r"^([\w-]+==\S+)", (ROOT / "deploy/image/requirements.txt").read_text(), re.MULTILINE)
    assert found == sorted([*locked, f"batch-exporter=={__version__}"])
    assert added == ["/data:", "/opt:", "batch-exporter"]


def test_the_same_sources_give_the_same_layers(engine: Engine, image: str, tmp_path: Path) -> None:
    other = tmp_path / "checkout"
    names = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "*.egg-info", "node_modules")
    # The copy has other times, and files that the image must not have.
    shutil.copytree(ROOT, other, ignore=names, copy_function=shutil.copyfile)
    (other / "config.yaml").write_text("accounts: [{api_token: not-a-token}]")
    (other / "exporter" / "__pycache__").mkdir()
    (other / "exporter" / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"over")
    engine.build(other, "localhost/batch-exporter:again")
    first, second = inspected(engine, image), inspected(engine, "localhost/batch-exporter:again")
    assert first["RootFS"] == second["RootFS"]
    assert first["Config"] == second["Config"]
