"""`batch-exporter check` reports every problem in one run, and accepts nothing that is wrong."""

import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.state import prepared, problem
from exporter.state.sqlite.schema import VERSION
from tests.support import faults
from tests.support.program import config, run
from tests.support.rig import TOKEN, Rig

FILE = """accounts:
- {{name: prod, system: inkit, base_url: {url}, api_token: "{token}"}}
state:
  path: {state}
"""


def written(folder: Path, state: str = "state.db", url: str = "http://127.0.0.1:1", token: str = TOKEN) -> str:
    path = folder / "config.yaml"
    path.write_text(FILE.format(url=url, token=token, state=state))
    return f"--config.file={path}"


def made(path: Path) -> Path:
    with prepared(path):
        pass
    return path


def damaged(path: Path) -> None:
    content = bytearray(made(path).read_bytes())
    for start in range(4096, len(content)):
        content[start] = 0xA5
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    os.truncate(made(path), 6000)


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")


def of_a_newer_version(path: Path) -> None:
    with closing(sqlite3.connect(made(path))) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.write_text("no database" * 100), "it is not a state file"),
        (lambda path: path.write_text("short"), "it is not a state file"),
        (of_another_program, "it is a database of another program"),
        (of_a_newer_version, rf"newer version of this program \(schema {VERSION + 1}, known {VERSION}\)"),
        (damaged, "it is damaged"),
        (cut_off, "it is damaged"),
        (os.mkfifo, "it is not a regular file"),
    ],
    ids=["folder", "text", "short", "foreign", "newer", "damaged", "cut off", "pipe"],
)
def test_a_state_file_that_can_not_be_used_is_a_problem_with_its_line(
    make: Callable[[Path], object], cause: str, tmp_path: Path
) -> None:
    make(tmp_path / "state.db")
    before = None if (tmp_path / "state.db").is_fifo() else snapshot(tmp_path)
    done = run("check", written(tmp_path))
    assert done.returncode == 2
    assert re.search(rf"config\.yaml:4: state\.path: .*{cause}", done.stderr)
    (tmp_path / "config.yaml").unlink()
    assert before is None or snapshot(tmp_path) == before, "nothing is made, locked or changed"


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("none/state.db", "there is no folder /.*/none: make it"),
        ("file/state.db", "can't be used"),
        ("a" * 300, "can't be used"),
    ],
)
def test_a_state_file_that_could_not_be_made_is_a_problem_with_its_line(state: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("check", written(tmp_path, state))
    assert done.returncode == 2
    assert re.search(rf"config\.yaml:4: state\.path: .*{cause}", done.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "file"]


def test_a_folder_or_file_that_may_not_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere.
    path = made(tmp_path / "state.db")
    monkeypatch.setattr(os, "access", lambda where, _: where != tmp_path)
    assert "can't be written to by this user" in (problem(path) or "")
    assert "can't be written to by this user" in (problem(tmp_path / "new.db") or "")
    monkeypatch.setattr(os, "access", lambda where, _: where == tmp_path)
    assert "may not read and write the file" in (problem(path) or "")


def test_a_good_state_file_is_no_problem_new_or_old_empty_or_in_use(tmp_path: Path) -> None:
    assert problem(tmp_path / "new.db") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    assert problem(tmp_path / "empty.db") is None
    path = made(tmp_path / "state.db")
    assert problem(path) is None
    with prepared(path):
        before = snapshot(tmp_path)
        assert problem(path) is None
        assert snapshot(tmp_path) == before
    assert problem(None) is None


def test_an_empty_log_beside_it_hides_no_damage(tmp_path: Path) -> None:
    damaged(tmp_path / "state.db")
    (tmp_path / "state.db-wal").touch()
    assert "it is damaged" in (problem(tmp_path / "state.db") or "")


def test_a_path_that_no_file_can_have_is_a_problem() -> None:
    assert "the path can't be used" in (problem(Path("a\0b")) or "")


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b%41.db", "ü.db"])
def test_a_state_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    assert problem(made(tmp_path / name)) is None


def test_all_problems_of_both_files_and_the_state_are_reported_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_fil: x}\n")
    arguments = ("check", written(tmp_path, "none/x.db", token="${TOKEN}"), f"--web.config.file={tmp_path}/web.yml")
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    for message in (
        "config.yaml:2: accounts[0].api_token: ",
        "config.yaml:4: state.path: ",
        "web.yml:1: tls_server_config",
    ):
        assert message in done.stderr
    lines = [json.loads(line) for line in run(*arguments, "--log.format=json").stderr.splitlines()]
    assert [(line["line"], line["key"]) for line in lines][:2] == [(2, "accounts[0].api_token"), (4, "state.path")]
    assert {line["level"] for line in lines} == {"ERROR"}


def test_the_default_state_and_the_environment_are_judged_too(tmp_path: Path) -> None:
    (tmp_path / "batch-exporter.db").mkdir()
    done = run("check", cwd=tmp_path, INKIT_API_TOKEN="invented")
    assert done.returncode == 2
    assert done.stderr.startswith("environment: state.path: it is a folder")


@pytest.mark.parametrize("token", ["${X}", "Bearer CANARY", "<token>", "..."])
@pytest.mark.parametrize("command", ["check", "once", "serve", "inspect a b"])
def test_a_placeholder_in_the_environment_is_refused_by_every_command(token: str, command: str, tmp_path: Path) -> None:
    done = run(*command.split(), cwd=tmp_path, PX_API_KEY=token)
    assert done.returncode == 2
    assert done.stderr.startswith("environment: PX_API_KEY: the token ")


def test_a_credential_that_systemd_makes_later_is_a_warning_in_an_admins_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "accounts:\n- name: prod\n  system: inkit\n"
        "  api_token_file: /run/credentials/no-such-unit.service/inkit\nstate: {path: x.db}\n"
    )
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    done = run("check", f"--config.file={path}")
    assert done.returncode == 0
    assert "OK, 1 account" in done.stdout
    assert "config.yaml:4: accounts[0].api_token_file: not checked: systemd makes this file" in done.stderr
    for command, unit in (("check", "/run/credentials/x"), ("once", "")):
        done = run(command, f"--config.file={path}", CREDENTIALS_DIRECTORY=unit)
        assert done.returncode == 2
        assert "config.yaml:4: accounts[0].api_token_file: the token's file: there is no such file" in done.stderr
    done = run("check", "--online", f"--config.file={path}")
    assert done.returncode == 1
    assert "prod/invocations: auth: the token's file: there is no such file" in done.stderr


def test_a_token_file_for_all_is_a_warning_in_check_and_in_the_log(rig: Rig, tmp_path: Path) -> None:
    file = Path(config(rig, tmp_path).removeprefix("--config.file="))
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o644)
    file.write_text(file.read_text().replace(f"api_token: {TOKEN}", "api_token_file: token"))
    cause = "accounts[0].api_token_file: every user of this machine can read the file: run chmod o-r"
    done = run("check", f"--config.file={file}")
    assert (done.returncode, done.stderr) == (0, f"{file}:4: {cause}\n")
    assert f'msg="configuration warning" warning="{file}:4: {cause}"' in run("once", f"--config.file={file}").stderr
    (tmp_path / "token").chmod(0o640)
    assert run("check", f"--config.file={file}").stderr == ""


@contextmanager
def answering(answer: Callable[[str], tuple[int, str, str]]) -> Iterator[str]:
    """Run a server whose answer to a path is a status, a content type and a body. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


JSON = "application/json"
OTHERS: Mapping[str, tuple[int, str, str]] = {
    "a web page": (200, "text/html", "<html>Welcome</html>"),
    "nothing": (404, "text/plain", "not found"),
    "no such method": (405, JSON, "{}"),
    "moved": (301, "text/html", ""),
    "no list": (200, JSON, "{}"),
    "a bare list": (200, JSON, "[]"),
    "only a list": (200, JSON, '{"items": []}'),
    "the other vendor": (200, JSON, '{"data": [], "pagination": null, "status": 200}'),
    "rows of another kind": (200, JSON, '{"items": [{"title": "x"}, 1, null], "metadata": {}}'),
    "rows of another kind in one page": (
        200,
        JSON,
        '{"items": [{"title": "x"}], "metadata": {"pagination": {"next_page": null, "page_count": 1}}}',
    ),
    "a list of another API": (200, JSON, '{"items": [], "total": 0, "page": 1, "size": 50}'),
    "a list that is none": (200, JSON, '{"items": {"a": 1}, "metadata": {}}'),
    "an empty body": (200, JSON, ""),
}


def test_no_collector_is_called_right_where_another_server_answers(tmp_path: Path) -> None:
    """Each account has one of these servers; the first part of the path selects it."""
    servers = list(OTHERS.values())
    with answering(lambda path: servers[int(path.split("/")[1])]) as url:
        accounts = [
            {"name": name.replace(" ", "-"), "system": "inkit", "base_url": f"{url}/{number}", "api_token": TOKEN}
            for number, name in enumerate(OTHERS)
        ]
        file = tmp_path / "config.yaml"
        common = {"state": {"path": None}, "max_requests_per_second": 1000}
        file.write_text(json.dumps({**common, "accounts": accounts}))
        done = run("check", "--online", f"--config.file={file}")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1, "the configuration alone is right"
    assert sorted(line.partition(":")[0] for line in done.stderr.splitlines()) == sorted(
        f"{account['name']}/{collector}"
        for account in accounts
        for collector in ("document_batches", "workflow_batches", "invocations")
    )
    assert [line for line in done.stderr.splitlines() if "base_url" not in line] == []


def test_a_list_of_workflow_batches_may_be_missing_where_the_others_are_there(rig: Rig, tmp_path: Path) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    done = run("check", "--online", config(rig, tmp_path))
    assert done.returncode == 0
    assert "prod/workflow_batches: OK, but the account has no such list" in done.stdout


@pytest.mark.parametrize("others", [404, 200])
def test_where_no_other_collector_is_polled_the_list_that_names_the_batches_is_asked(
    others: int, rig: Rig, tmp_path: Path
) -> None:
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    if others == 404:
        rig.mock_api.faults.add(faults.status(404), path="/invoke")
    file = Path(config(rig, tmp_path).removeprefix("--config.file="))
    file.write_text(file.read_text().replace("system: inkit", "system: inkit, collectors: [workflow_batches]"))
    done = run("check", "--online", f"--config.file={file}")
    assert done.returncode == (1 if others == 404 else 0)
    assert "prod/workflow_batches: " in done.stderr + done.stdout
    assert "prod/invocations" not in done.stderr + done.stdout


def test_all_that_check_prints_is_json_where_the_log_is(rig: Rig, tmp_path: Path) -> None:
    rig.mock_api.faults.add(faults.status(403), path="/batch")
    done = run("check", "--online", config(rig, tmp_path), "--log.format=json")
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert {"time", "level", "msg"} <= set.intersection(*map(set, lines))
    found = {line["collector"]: line["level"] for line in lines if "collector" in line}
    assert found == {"document_batches": "ERROR", "workflow_batches": "INFO", "invocations": "INFO"}
    assert {line["account"] for line in lines if "collector" in line} == {"prod"}


def test_the_cost_of_each_collector_follows_its_own_intervals(rig: Rig, tmp_path: Path) -> None:
    file = Path(config(rig, tmp_path).removeprefix("--config.file="))
    own = "per_collector: {invocations: {poll_interval: 10s}}"
    file.write_text(file.read_text().replace("system: inkit", f"system: inkit, {own}"))
    done = run("check", "--online", f"--config.file={file}")
    assert "prod/invocations: OK, 1 page in the window, about 8,640 requests on a quiet day" in done.stdout
    assert done.stdout.count("about 86,400 requests on a quiet day") == 2
