"""The web configuration and every kind of socket, as an operator meets them: real processes and curl."""

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest

from tests.support.program import PATH, PROGRAM, config, run, running
from tests.support.rig import Rig

TLS = "tls_server_config:\n  cert_file: {0}/server.pem\n  key_file: {0}/server.key\n"


def web(folder: Path, text: str) -> str:
    path = folder / "web.yml"
    path.write_text(text)
    return f"--web.config.file={path}"


def curl(*arguments: object) -> str:
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


@pytest.mark.programs
def test_it_serves_over_tls_with_a_password_and_follows_the_file(rig: Rig, tmp_path: Path, certificates: Path) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    text = TLS.format(certificates) + f"basic_auth_users: {{alice: {hashed}}}\n"
    with running([config(rig, tmp_path), web(tmp_path, text)]) as (process, url):
        page = [f"{url.replace('http', 'https')}/metrics", "--cacert", certificates / "ca.pem"]
        assert "batch_exporter_build_info" in curl(*page, "--user", "alice:secret")
        assert curl(*page) == "Unauthorized\n"
        web(tmp_path, text.replace("alice", "carol"))
        assert curl(*page, "--user", "alice:secret") == "Unauthorized\n"
        web(tmp_path, text + "nonsense\n")
        assert curl(*page, "--user", "carol:secret") == "Internal Server Error\n"
        process.terminate()
        stderr = process.rest()
        assert process.returncode == 0
    assert stderr.count("cannot use the web configuration") == 1
    assert hashed not in stderr
    assert "secret" not in stderr


@pytest.mark.parametrize("command", [["serve"], ["check"]])
def test_a_bad_web_configuration_ends_it_with_status_2_and_every_problem(
    rig: Rig, tmp_path: Path, command: list[str]
) -> None:
    done = run(config(rig, tmp_path), web(tmp_path, "rate_limt: {}\nbasic_auth_users: {alice: CANARY}\n"), *command)
    assert done.returncode == 2
    assert f'{tmp_path}/web.yml:1: rate_limt: unknown key; did you mean "rate_limit"?\n' in done.stderr
    assert f"{tmp_path}/web.yml:2: basic_auth_users.alice: is not a bcrypt hash" in done.stderr
    assert "CANARY" not in done.stderr + done.stdout


def test_a_web_configuration_that_is_not_there_is_named_with_its_flag(rig: Rig, tmp_path: Path) -> None:
    done = run(config(rig, tmp_path), f"--web.config.file={tmp_path}/nowhere.yml")
    assert done.returncode == 2
    assert "nowhere.yml: there is no such file; --web.config.file names the web configuration" in done.stderr


def test_an_empty_flag_is_no_web_configuration(rig: Rig, tmp_path: Path) -> None:
    assert run("check", config(rig, tmp_path), "--web.config.file=").returncode == 0


def test_check_says_what_the_web_configuration_comes_to_and_what_can_t_be_had(
    rig: Rig, tmp_path: Path, certificates: Path
) -> None:
    text = TLS.format(certificates) + "http_server_config: {http2: true}\n"
    done = run("check", config(rig, tmp_path), web(tmp_path, text))
    assert done.returncode == 0
    assert f"{tmp_path}/web.yml: OK, TLS, 0 users\n" in done.stdout
    assert f"{tmp_path}/web.yml:4: http_server_config.http2: HTTP/2 is not supported" in done.stderr


def test_what_can_t_be_had_is_logged_at_the_start(rig: Rig, tmp_path: Path) -> None:
    arguments = [config(rig, tmp_path), web(tmp_path, "rate_limit: {burst: 1}\n"), "--web.listen-address=127.0.0.1:0"]
    with subprocess.Popen([*PROGRAM, *arguments], env=PATH, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        warned = next(line for line in process.stderr if "web configuration" in line)
        process.kill()
    assert f'level=WARN msg="web configuration warning" warning="{tmp_path}' in warned
    assert "web.yml:1: rate_limit.burst: has no effect without an interval" in warned


@pytest.mark.programs
def test_it_listens_on_several_addresses_a_unix_socket_among_them(rig: Rig, tmp_path: Path) -> None:
    unix = tmp_path / "exporter.sock"
    addresses = ["--web.listen-address=127.0.0.2:0", f"--web.listen-address=unix://{unix}"]
    with running([config(rig, tmp_path), *addresses]) as (_, url):
        assert curl(f"{url}/-/healthy") == "batch-exporter is healthy.\n"
        assert curl("--unix-socket", unix, "http://exporter/-/healthy") == "batch-exporter is healthy.\n"


@pytest.mark.programs
def test_it_serves_on_a_socket_of_systemd_s(rig: Rig, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listening = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}"]
    with ExitStack() as processes:
        process = processes.enter_context(
            subprocess.Popen(
                [*listening, *PROGRAM, "--web.systemd-socket", config(rig, tmp_path)],
                env={**PATH},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        processes.callback(process.kill)
        assert process.stderr is not None
        assert "Listening" in process.stderr.readline()
        assert curl(f"http://127.0.0.1:{port}/-/healthy") == "batch-exporter is healthy.\n"
        process.terminate()
        assert re.search(rf"msg=serving .*address=127\.0\.0\.1:{port} ", process.communicate(timeout=10)[1])


def test_without_a_socket_of_systemd_s_it_ends_with_status_2(rig: Rig, tmp_path: Path) -> None:
    assert not os.environ.get("LISTEN_FDS")
    done = run(config(rig, tmp_path), "--web.systemd-socket")
    assert done.returncode == 2
    assert "no socket activation file descriptors found" in done.stderr


def answer(url: str) -> tuple[int, str]:
    """Return the status and the body of a page that is requested without a password."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("flags", "health"), [([], 401), (["--web.unauthenticated-health"], 200)])
def test_a_flag_and_nothing_else_opens_the_pages_of_probes(
    rig: Rig, tmp_path: Path, flags: list[str], health: int
) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    arguments = [config(rig, tmp_path), web(tmp_path, f"basic_auth_users: {{alice: {hashed}}}\n"), *flags]
    with running(arguments) as (_, url):
        assert answer(f"{url}/-/healthy")[0] == health
        assert answer(f"{url}/-/ready")[0] in ({401} if health == 401 else {200, 503})
        assert "prod" not in answer(f"{url}/-/ready")[1]
        for path in ("/metrics", "/", "/failures", "/-/ready/", "/-/reload"):
            assert answer(url + path) == (401, "Unauthorized\n")


def test_flags_leave_out_the_metrics_of_the_process_and_limit_scrapes(rig: Rig, tmp_path: Path) -> None:
    def scrape(url: str, names: str = "") -> tuple[int, str]:
        return answer(f"{url}/metrics?{names}")

    flags = ["--web.disable-exporter-metrics", "--web.max-requests=1"]
    with running([config(rig, tmp_path), *flags]) as (_, url), ThreadPoolExecutor(20) as pool:
        assert re.findall(r"^(?:process|python)_.*", scrape(url)[1], re.MULTILINE) == []
        assert "batch_exporter_build_info" in scrape(url)[1]
        refused: set[str] = set()
        until = time.monotonic() + 60
        while not refused and time.monotonic() < until:
            # Not from the cache: each takes a moment.
            answers = pool.map(scrape, [url] * 20, ["name[]=batch_exporter_up"] * 20)
            refused = {body for status, body in answers if status == 503}
        assert refused == {"Limit of concurrent requests reached (1), try again later.\n"}
    with running([config(rig, tmp_path)]) as (_, url):
        assert re.search(r"^process_open_fds ", scrape(url)[1], re.MULTILINE)
        assert re.search(r"^python_info\{", scrape(url)[1], re.MULTILINE)
