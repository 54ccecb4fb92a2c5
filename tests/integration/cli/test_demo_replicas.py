"""`batch-exporter demo --replicas`: exporters on a PostgreSQL of their own, one of which is killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from tests.support.program import run

PROGRAM = (sys.executable, "-m", "exporter", "demo")
ACCOUNTS = {f"{name}-{number}" for name in ("demo", "logistics") for number in (1, 2, 3)}


def polled(url: str) -> set[str]:
    """Return the accounts that a replica exposes; none if it does not answer."""
    try:
        page = requests.get(f"{url}metrics", timeout=10).text
    except requests.ConnectionError:
        return set()
    return set(re.findall(r'batch_exporter_up\{account="([\w-]+)"', page))


def await_shares(urls: list[str]) -> None:
    """Wait until each account is exposed by one of the replicas, and each of them has a share."""
    deadline = time.monotonic() + 90
    while True:
        shares = [polled(url) for url in urls]
        if all(shares) and sorted(name for found in shares for name in found) == sorted(ACCOUNTS):
            return
        assert time.monotonic() < deadline, shares
        time.sleep(0.5)


@contextmanager
def demo(replicas: int) -> Iterator[tuple["subprocess.Popen[str]", list[str], list[int], Path]]:
    """Run the demo. Yield its process, the addresses of its exporters, their processes, and the folder of its files."""
    # The path of a socket may have 107 bytes, and pytest's folders are long.
    with TemporaryDirectory() as folder:
        # As root, the server runs as another user.
        Path(folder).chmod(0o755)
        process = subprocess.Popen(
            [*PROGRAM, f"--replicas={replicas}", "--api-port=0", "--web.listen-address=127.0.0.1:0"],
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            printed = ""
            for line in process.stdout:
                printed += line
                if "Ctrl-C" in line:
                    break
            urls = re.findall(r"replica \d  (http://\S+/)", printed)
            pids = [int(pid) for pid in re.findall(r"process (\d+)", printed)]
            assert len(urls) == len(pids) == replicas
            yield process, urls, pids, Path(folder)
        finally:
            process.kill()
            process.communicate()


def left(pids: Iterable[int]) -> list[int]:
    """Return those of the processes that have not ended. One that nobody has waited for yet has."""
    return [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]


@pytest.mark.programs
def test_when_one_is_killed_the_others_take_over_and_all_end_with_the_demo() -> None:
    with demo(3) as (process, urls, pids, folder):
        await_shares(urls)
        os.kill(pids[0], signal.SIGKILL)
        assert process.stdout is not None
        assert process.stdout.readline() == "replica 1 has ended; 2 left\n"
        await_shares(urls[1:])
        process.terminate()
        assert process.wait(30) == 0
        assert list(folder.iterdir()) == []
        assert left(pids) == []


@pytest.mark.programs
def test_nothing_goes_on_when_the_demo_is_killed() -> None:
    with demo(2) as (process, _, pids, folder):
        (server,) = (int(path.read_text().split()[0]) for path in folder.glob("*/data/postmaster.pid"))
        assert left([server, *pids]) == [server, *pids]
        process.kill()
        deadline = time.monotonic() + 60
        while left([server, *pids]):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--api-only"], "--replicas can't be given with --api-only"),
        (["--web.listen-address=unix:///run/x.sock"], "--replicas needs one --web.listen-address, HOST:PORT"),
        (["--web.listen-address=:1", "--web.listen-address=:2"], "--replicas needs one --web.listen-address"),
    ],
)
def test_what_several_exporters_can_not_have_is_refused(flags: list[str], message: str) -> None:
    done = run("demo", "--replicas=3", "--api-port=0", *flags)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_without_postgresql_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exporter.cli import demo_replicas
    from exporter.cli.flags import UsageError

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(demo_replicas, "DEBIAN", tmp_path)
    with pytest.raises(UsageError, match=r"needs PostgreSQL's programs initdb and postgres.*apt install postgresql"):
        demo_replicas.programs()
    for folder in ("9.6/bin", "15/bin"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("initdb", "postgres"):
            (tmp_path / folder / name).touch()
    assert demo_replicas.programs() == tmp_path / "15" / "bin"
