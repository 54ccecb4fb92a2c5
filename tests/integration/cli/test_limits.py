"""The limits of a real process: what it reports about them, and that it keeps to them."""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import patience
from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM, config, eventually, get, run
from tests.support.rig import TOKEN, Rig

LIMITED = ("sh", "-c", 'ulimit -n "$0" && exec "$@"')


@contextlib.contextmanager
def serving(descriptors: int, flag: str, log: Path) -> Iterator[str]:
    """Run the program with so many file descriptors, and yield its URL. It logs into a file."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*LIMITED, str(descriptors), *PROGRAM, "--web.listen-address=127.0.0.1:0", flag], env=PATH, stderr=stderr
        )
    try:

        def serves() -> re.Match[str] | None:
            assert process.poll() is None, log.read_text()
            return re.search(r"msg=serving .*port=(\d+)", log.read_text())

        found = patience.eventually(serves, log.read_text, pause=0.05)
        assert found is not None
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        assert process.wait(GENEROUS) == 0


def limited(descriptors: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, descriptors=descriptors)


def test_the_bounds_are_logged_at_the_start_in_one_line(rig: Rig, tmp_path: Path) -> None:
    with serving(256, config(rig, tmp_path, "limits: {max_response_bytes: 1MiB}\n"), tmp_path / "log"):
        [line] = [line for line in (tmp_path / "log").read_text().splitlines() if "msg=limits" in line]
    assert "workers=27 " in line
    assert "response_bytes=1048576 clients=77 idle_connections=28 descriptors=256 " in line
    assert re.search(r" answer_bytes=\d+ .* memory=\d+ cpus=[\d.]+$", line)


@pytest.mark.parametrize("command", ["serve", "check", "once"])
@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("max_workers: 500", "limits.max_workers: needs 2041 file descriptors; the process may have 256"),
        ("max_connections: 5000", "limits.max_connections: needs 5364 file descriptors; the process may have 256"),
        ("max_response_bytes: 100TB", "limits.max_response_bytes: the process may use "),
    ],
)
def test_bounds_that_cannot_hold_are_a_configuration_error(
    command: str, limits: str, problem: str, rig: Rig, tmp_path: Path
) -> None:
    done = limited(256, command, config(rig, tmp_path, f"limits: {{{limits}}}\n"))
    assert done.returncode == 2
    assert re.search(rf"config\.yaml:4: {re.escape(problem)}.*: lower it, or raise ", done.stderr)
    assert len(done.stderr.splitlines()) == 1


def test_a_process_with_fewer_file_descriptors_than_it_needs_does_not_start(rig: Rig, tmp_path: Path) -> None:
    done = limited(40, "serve", config(rig, tmp_path))
    assert done.returncode == 2
    assert "limits: the process may have 40 file descriptors (RLIMIT_NOFILE), and needs at least " in done.stderr


def test_hundreds_of_clients_leave_scrapes_and_polls_alone_and_cost_one_line(rig: Rig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(64, config(rig, tmp_path), log) as url, contextlib.ExitStack() as crowd:
        address = urlsplit(url)
        place = address.hostname or "", address.port or 0
        eventually(
            f"{url}/metrics", 'batch_exporter_backfilling{account="prod",collector="invocations",system="inkit"} 0'
        )
        scraper = http.client.HTTPConnection(*place, timeout=GENEROUS)
        with contextlib.closing(scraper):
            for number in range(30):
                for _ in range(10):
                    crowd.enter_context(contextlib.closing(socket.create_connection(place, 20)))
                page = scraped(scraper)
                assert page.count("batch_exporter_up{") == 3, number
        assert "batch_exporter_poll_errors_total" in page
        failed = re.findall(r"^batch_exporter_poll_errors_total\{.*\} (?!0(?:\.0)?$).*", page, re.MULTILINE)
        assert failed == []
    lines = log.read_text().splitlines()
    assert len([line for line in lines if "connection limit reached" in line]) == 1
    assert [line for line in lines if "level=error" in line or "Too many open files" in line] == []


def scraped(scraper: http.client.HTTPConnection) -> str:
    """Return a page of metrics. The connection is made again if the server has closed it."""
    for _ in range(50):
        try:
            scraper.request("GET", "/metrics")
            answer = scraper.getresponse()
            assert answer.status == 200
            return answer.read().decode()
        except (http.client.HTTPException, OSError):
            scraper.close()
    raise AssertionError


@contextlib.contextmanager
def hanging() -> Iterator[tuple[str, list[socket.socket]]]:
    """Yield the URL of an API that accepts connections and never answers, and the connections."""
    open_now: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    open_now.append(listening.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", open_now
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in open_now:
        connection.close()


def test_an_api_that_hangs_for_many_accounts_leaves_scrapes_and_the_state_alone(rig: Rig, tmp_path: Path) -> None:
    log, path = tmp_path / "log", tmp_path / "config.yaml"
    with hanging() as (url, connections):
        hangs = {"system": "inkit", "base_url": url, "api_token": TOKEN}
        accounts = [{"name": "prod", "system": "inkit", "base_url": rig.mock_api.url, "api_token": TOKEN}]
        accounts += [{"name": f"hangs-{number}", **hangs} for number in range(60)]
        common = {"poll_interval": "1s", "request_timeout": "1500ms", "state": {"path": str(tmp_path / "serve.db")}}
        path.write_text(json.dumps({**common, "accounts": accounts}))
        with serving(128, f"--config.file={path}", log) as served:
            deadline, pages = time.monotonic() + GENEROUS, list[str]()
            while "reason=timeout" not in log.read_text() or len(connections) < 30:
                assert time.monotonic() < deadline, log.read_text()
                page = get(f"{served}/metrics")
                pages.append(page)
                assert 0 < open_descriptors(page) <= 128 - 8
                time.sleep(0.1)
            eventually(
                f"{served}/metrics", 'batch_exporter_up{account="prod",collector="invocations",system="inkit"} 1'
            )
            page = get(f"{served}/metrics")
    failed = re.findall(r'^batch_exporter_poll_errors_total\{.*reason="(\w+)",.*\} [1-9]', page, re.MULTILINE)
    assert set(failed) <= {"timeout"}
    [workers] = [int(number) for number in re.findall(r" workers=(\d+) ", log.read_text())]
    assert {workers} == figures(pages, "workers")
    assert max(figures(pages, "workers_busy")) in range(2, workers + 1)
    assert max(figures(pages, "polls_overdue")) > workers
    assert "Too many open files" not in log.read_text()
    assert "cannot accept connections" not in log.read_text()


def open_descriptors(page: str) -> float:
    """Return the number of open file descriptors; 0 if there was none left to count them with."""
    return float((re.findall(r"^process_open_fds (\S+)$", page, re.MULTILINE) or ["0"])[0])


def figures(pages: list[str], name: str) -> set[float]:
    """Return the values that a gauge without labels has on pages of metrics."""
    line = re.compile(rf"^batch_exporter_{name} (\S+)$", re.MULTILINE)
    return {float(value) for page in pages for value in line.findall(page)}
