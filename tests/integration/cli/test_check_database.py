"""`batch-exporter check` of a state in PostgreSQL: it names what is wrong, makes nothing, and shows no password."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.canaries import canary, holds
from tests.support.postgres import Server
from tests.support.program import PATH, PROGRAM, run
from tests.support.rig import TOKEN, Rig

PASSWORD = canary("database.password")


def written(rig: Rig, folder: Path, state: str) -> str:
    path = folder / "config.yaml"
    account = f"{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}"
    path.write_text(f"state: {state}\naccounts: [{account}]\n")
    return f"--config.file={path}"


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    name = postgres.database()
    postgres.execute(name, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON SCHEMA public TO {name}")
    yield name
    postgres.drop(name)


@pytest.mark.programs
def test_online_it_connects_and_makes_nothing(rig: Rig, postgres: Server, database: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(postgres.tcp_url(database, database, PASSWORD))
    (tmp_path / "url").chmod(0o600)
    done = run("check", "--online", written(rig, tmp_path, "{url_file: url}"))
    place = f"state database postgresql://127.0.0.1:{postgres.port}/{database}"
    assert f"{place}: OK, empty, the exporter makes its tables at the start, PostgreSQL " in done.stdout
    with postgres.admin(database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert tables.fetchone() == (0,)
    assert not holds((done.stdout + done.stderr).encode(), "database.password")


@pytest.mark.programs
def test_online_a_wrong_password_is_a_problem(rig: Rig, postgres: Server, database: str, tmp_path: Path) -> None:
    url = postgres.tcp_url(database, database, f"{PASSWORD}x")
    done = run("check", "--online", written(rig, tmp_path, f"{{url: '{url}'}}"))
    assert done.returncode == 1
    assert "it refuses the user or the password: check state.url or state.url_file" in done.stderr
    assert not holds((done.stdout + done.stderr).encode(), "database.password")


def test_offline_nothing_is_connected_to(rig: Rig, tmp_path: Path) -> None:
    url = f"postgresql://user:{PASSWORD}@127.0.0.1:1/x"
    file = written(rig, tmp_path, f"{{url: '{url}'}}")
    done = run("check", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert not holds(done.stdout.encode(), "database.password")


def test_without_psycopg_the_extra_is_named(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "psycopg.py").write_text("raise ImportError('hidden')")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        """Start the program anew: one that is forked has the module already."""
        environ = {**PATH, "PYTHONPATH": str(tmp_path / "hidden")}
        return subprocess.run([*PROGRAM, *arguments], env=environ, capture_output=True, text=True, check=False)

    done = run("check", written(rig, tmp_path, "{url: postgresql://db/x}"))
    assert done.returncode == 2
    message = "state.url: PostgreSQL needs psycopg, which is not installed: pip install '.[postgres]'"
    assert message in done.stderr
    (tmp_path / "url").write_text("postgresql://db/x")
    shown = run("state", "show", f"@{tmp_path}/url")
    assert shown.stderr.startswith("PLACE: @FILE: PostgreSQL needs psycopg, which is not installed"), shown.stderr
    without = run("check", written(rig, tmp_path, f"{{path: {tmp_path}/state.db}}"))
    assert (without.returncode, without.stderr) == (0, "")
