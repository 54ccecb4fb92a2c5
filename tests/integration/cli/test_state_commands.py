"""`state copy`, `state show`, and other commands with `state.url`, as processes on a real PostgreSQL."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.demo.items import document_batch
from exporter.state.postgres.database import opened
from tests.support import postgres
from tests.support.patience import GENEROUS
from tests.support.program import config, eventually, run, running
from tests.support.rig import TOKEN, Rig

pytestmark = pytest.mark.programs


@pytest.fixture
def database() -> Iterator[str]:
    server = postgres.shared()
    name = server.database()
    yield name
    server.drop(name)


@pytest.fixture
def url(database: str) -> str:
    return postgres.shared().url(database)


def shared(rig: Rig, folder: Path, url: str) -> str:
    path = folder / "shared.yaml"
    path.write_text(
        f"poll_interval: 1s\nstale_after: 1m\nstate: {{url: '{url}'}}\n"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN}}}]\n"
    )
    return f"--config.file={path}"


def filled(rig: Rig, folder: Path) -> Path:
    rig.world.extend("document_batches", [document_batch("rb_1", time.time() - 60)])
    assert run("once", config(rig, folder)).returncode == 0
    return folder / "serve.db"


def test_a_state_is_copied_to_a_database_and_back_and_shown(rig: Rig, tmp_path: Path, url: str) -> None:
    state = filled(rig, tmp_path)
    (tmp_path / "url").write_text(f"{url}\n")
    there = run("state", "copy", str(state), f"@{tmp_path}/url")
    assert there.returncode == 0, there.stderr
    assert there.stdout.startswith(f"copied from {state} to postgresql://")
    assert there.stdout.endswith("; both have the same digests\n")
    back = run("state", "copy", f"@{tmp_path}/url", str(tmp_path / "back.db"), "--log.format=json")
    assert json.loads(back.stdout)["collectors"] == 3
    shown = [json.loads(run("state", "show", "--json", each).stdout) for each in (str(state), f"{tmp_path}/back.db")]
    assert shown[0]["collectors"] == shown[1]["collectors"]
    counts = {each["collector"]: each["in_flight"] + each["finished"] for each in shown[0]["collectors"]}
    assert counts["document_batches"] == 1
    assert "prod     document_batches" in run("state", "show", config(rig, tmp_path)).stdout


def test_the_owner_of_an_account_is_shown_while_its_replica_is_live(rig: Rig, tmp_path: Path, url: str) -> None:
    flag = shared(rig, tmp_path, url)
    with running([flag]) as (process, at):
        eventually(at + "/metrics", 'batch_exporter_up{account="prod"')
        found = json.loads(run("state", "show", "--json", flag).stdout)
        (replica,) = found["replicas"]
        assert (replica["live"], replica["accounts"], found["unowned"]) == (True, 1, [])
        assert {each["owner"] for each in found["collectors"]} == {replica["name"]}
        assert f"{replica['name']}  live           1" in run("state", "show", flag).stdout
        taken = run("state", "copy", url, str(tmp_path / "s.db"))
        assert (taken.returncode, "replicas are live on it" in taken.stderr) == (1, True)
        process.terminate()
        assert process.wait(GENEROUS) == 0
    assert "no replica is live\nunowned accounts: prod" in run("state", "show", flag).stdout


def test_a_replica_whose_heartbeat_has_expired_is_gone_and_it_is_said_what_that_means(database: str, url: str) -> None:
    with opened(lambda: url, "test", 1) as state:
        state.prepare()
    replicas = "INSERT INTO replicas VALUES ('{0}', clock_timestamp() + interval '{1}', now(), false, '', now())"
    leases = "INSERT INTO leases VALUES ('prod', '{0}', 1, now())"
    add = [replicas.format("one", "1 hour"), replicas.format("two", "-1 s"), leases.format("two")]
    postgres.shared().execute(database, ";".join(add))
    shown = run("state", "show", url).stdout
    assert "one      live           0\ntwo      gone           1\ngone: it did not leave, and its last heart" in shown
    assert shown.endswith("\nunowned accounts: prod\n")
    postgres.shared().execute(database, "DELETE FROM replicas WHERE holder = 'two'")
    assert "gone" not in run("state", "show", url).stdout


def test_a_file_is_shown_while_an_exporter_uses_it_and_is_not_changed(rig: Rig, tmp_path: Path) -> None:
    flag = config(rig, tmp_path)
    with running([flag]) as (_, at):
        eventually(at + "/metrics", "batch_exporter_up")
        assert json.loads(run("state", "show", "--json", flag).stdout)["schema"] == 5
        taken = run("state", "copy", str(tmp_path / "serve.db"), str(tmp_path / "s.db"))
        assert (taken.returncode, "another batch-exporter is using it" in taken.stderr) == (1, True)
    with running([flag]) as (process, _):
        process.terminate()
        assert process.wait(GENEROUS) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run("state", "show", str(tmp_path / "serve.db")).returncode == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


SECRET = "pa55word"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/db", "nothing answers there"),
        (f"postgresql://u:{SECRET}@127.0.0.1:1/db?sslmod=x", "libpq does not know parameter 1"),
        (f"postgresql://u:{SECRET}@", "must name a host"),
        (f"mysql://u:{SECRET}@host/db", "it is neither a path nor the URL of a PostgreSQL database"),
        (f"host=h password={SECRET}", "it is neither a path nor the URL of a PostgreSQL database"),
        ("@missing", ": @FILE: there is no such file"),
        ("", "it is empty"),
        ("missing", "there is no such file"),
    ],
)
def test_a_place_that_can_not_be_used_is_said_without_its_password(place: str, message: str, tmp_path: Path) -> None:
    for command in (["copy", place, "new.db"], ["show", place]):
        done = run("state", *command, cwd=tmp_path)
        assert message.lower() in done.stderr.lower().replace("no such file or directory", "there is no such file")
        assert done.returncode == (1 if "nothing answers" in done.stderr else 2)
        assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_state_in_the_default_place_is_shown_without_a_configuration_or_a_token(rig: Rig, tmp_path: Path) -> None:
    filled(rig, tmp_path).rename(tmp_path / "batch-exporter.db")
    assert run("state", "show", cwd=tmp_path).stdout.startswith("batch-exporter.db: schema ")


def test_a_database_without_a_state_is_said_to_need_an_exporter(tmp_path: Path, url: str) -> None:
    (tmp_path / "url").write_text(url)
    done = run("state", "show", f"@{tmp_path}/url")
    assert (done.returncode, "it has no state yet: start an exporter with it" in done.stderr) == (2, True)


def test_a_password_on_the_command_line_is_warned_of(tmp_path: Path) -> None:
    done = run("state", "show", f"postgresql://u:{SECRET}@127.0.0.1:1/db")
    assert "write the URL into a file, and give @FILE instead" in done.stderr


def test_what_can_not_be_shown_or_copied_is_refused_with_status_2(rig: Rig, tmp_path: Path) -> None:
    state = filled(rig, tmp_path)
    (tmp_path / "other").write_text("no state")
    (tmp_path / "null.yaml").write_text(Path(tmp_path / "config.yaml").read_text().replace(str(state), "null"))
    for arguments, message in (
        (["copy", str(state), f"{tmp_path}/./serve.db"], "TO: it is the same as FROM"),
        (["copy", str(state), f"{tmp_path}/other"], "damaged"),
        (["show", str(state), f"--config.file={tmp_path}/config.yaml"], "give PLACE or --config.file, not both"),
        (["show", f"--config.file={tmp_path}/null.yaml"], "state.path: it is null"),
        (["show", f"{tmp_path}/other"], "damaged"),
    ):
        done = run("state", *arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_once_refuses_the_state_of_replicas_and_says_what_to_name(rig: Rig, tmp_path: Path, url: str) -> None:
    done = run("once", shared(rig, tmp_path, url))
    assert done.returncode == 2
    assert "once can't share the state of replicas: name a configuration with state.path" in done.stderr


def test_check_online_looks_at_the_database_and_changes_nothing(
    rig: Rig, tmp_path: Path, url: str, database: str
) -> None:
    server = postgres.shared()
    flag = shared(rig, tmp_path, url)
    done = run("check", "--online", flag)
    assert done.returncode == 0
    assert ": OK, empty, the exporter makes its tables at the start, PostgreSQL " in done.stdout
    with server.admin(database) as connection:
        assert connection.execute("SELECT to_regclass('meta')").fetchone() == (None,)
    state = filled(rig, tmp_path)
    assert run("state", "copy", str(state), url).returncode == 0
    assert ": OK, tables of version 1, PostgreSQL " in run("check", "--online", flag).stdout


def test_check_online_names_the_privileges_that_are_missing(rig: Rig, tmp_path: Path, database: str, url: str) -> None:
    server = postgres.shared()
    user = f"reader_{database}"
    server.execute(database, f"REVOKE CREATE ON SCHEMA public FROM public; CREATE ROLE {user} LOGIN")
    flag = shared(rig, tmp_path, server.url(database, user))
    done = run("check", "--online", flag)
    assert (done.returncode, "the user lacks privileges: GRANT CREATE ON SCHEMA public to it" in done.stderr) == (
        1,
        True,
    )
    assert run("state", "copy", str(filled(rig, tmp_path)), url).returncode == 0
    server.execute(database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
    message = run("check", "--online", flag).stderr
    assert (
        "GRANT DELETE ON collectors, failures, leases, meta, records, replicas, series to it; GRANT INSERT" in message
    )
    server.execute(database, f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_check_online_says_what_is_wrong_with_the_database(rig: Rig, tmp_path: Path, url: str, database: str) -> None:
    bad = shared(rig, tmp_path, f"postgresql://u:{SECRET}@127.0.0.1:1/db")
    done = run("check", "--online", bad)
    assert done.returncode == 1
    assert "nothing answers there" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    postgres.shared().execute(database, "CREATE TABLE series (x int)")
    assert "it has tables of another program (series)" in run("check", "--online", shared(rig, tmp_path, url)).stderr
