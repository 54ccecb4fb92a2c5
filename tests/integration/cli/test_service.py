"""The program under a service manager: what it reports, and which exit status says that a restart is of use."""

import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from exporter.state import prepared
from tests.support.patience import GENEROUS
from tests.support.program import config, get, run, running
from tests.support.rig import Rig


def test_the_manager_is_notified_when_it_serves_reloads_and_ends(rig: Rig, tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        with running([config(rig, tmp_path)], NOTIFY_SOCKET=str(tmp_path / "notify")) as (process, url):
            assert manager.recv(1000) == b"READY=1"
            assert "healthy" in get(url + "/-/healthy")
            process.send_signal(signal.SIGHUP)
            assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(1000) == b"READY=1"
            process.terminate()
            assert manager.recv(1000) == b"STOPPING=1"
            assert process.wait(GENEROUS) == 0


def test_a_state_that_another_exporter_has_is_worth_a_restart(rig: Rig, tmp_path: Path) -> None:
    flag = config(rig, tmp_path)
    with prepared(tmp_path / "serve.db"):
        done = run(flag, "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 1
    assert "another batch-exporter is using it" in done.stderr


def test_a_state_that_is_damaged_is_not_worth_a_restart(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "serve.db").write_bytes(b"garbage" * 1000)
    done = run(config(rig, tmp_path), "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 2
    assert "it is damaged (file is not a database); stop the exporter, move it away" in done.stderr


def test_a_state_of_another_program_is_not_worth_a_restart(rig: Rig, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "serve.db")) as database:
        database.execute("CREATE TABLE theirs (x)")
    done = run(config(rig, tmp_path), "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 2
    assert "is a database of another program" in done.stderr


def test_an_address_that_can_never_be_had_is_not_worth_a_restart(rig: Rig, tmp_path: Path) -> None:
    done = run(config(rig, tmp_path), f"--web.listen-address=unix://{tmp_path}/none/x.sock")
    assert done.returncode == 2
    assert "there is no such folder" in done.stderr
