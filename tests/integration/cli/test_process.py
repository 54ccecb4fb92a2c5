"""The process around a command: signals from its first moment on, closed streams, folders that are not there."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM, config, eventually, run, running
from tests.support.rig import Rig

BEGUN = """
import builtins, os, signal, sys
seen = []
load = builtins.__import__
def counting(name, *arguments, **named):
    seen.append(name)
    if "exporter.__main__" in sys.modules and len(seen) == limit:
        os.kill(os.getpid(), number)
    return load(name, *arguments, **named)
limit, number = int(sys.argv.pop(1)), getattr(signal, sys.argv.pop(1))
from exporter.__main__ import main
builtins.__import__ = counting
main()
"""


def interrupted(limit: int, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program, which gets the signal at the import with this number."""
    return subprocess.run(
        [sys.executable, "-c", BEGUN, str(limit), name, *arguments],
        env=PATH,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


@pytest.mark.parametrize("limit", [1, 2, 5, 30, 300])
def test_an_interrupt_while_modules_load_ends_it_quietly(limit: int) -> None:
    done = interrupted(limit, "SIGINT", "check", "--print-schema")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("number", ["SIGHUP", "SIGUSR1"])
@pytest.mark.parametrize("limit", [1, 5, 300])
def test_a_signal_while_modules_load_does_not_end_what_serves(limit: int, number: str, tmp_path: Path) -> None:
    done = interrupted(limit, number, f"--config.file={tmp_path}/none.yaml")
    assert (done.returncode, "there is no such file" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "delay"),
    [
        *itertools.product(["check", "once", "demo"], [0.0, 0.4]),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in itertools.product(["once", "demo"], [0.1, 1.0])),
    ],
)
def test_ctrl_c_ends_any_command_quietly_at_any_time(rig: Rig, tmp_path: Path, command: str, delay: float) -> None:
    arguments = ["demo", "--api-port=0", "--web.listen-address=127.0.0.1:0", "--log.level=error"]
    if command != "demo":
        arguments = [command, config(rig, tmp_path), "--log.level=error"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from exporter.__main__ import main; print(flush=True); main()", *arguments],
        env={**PATH, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay + 0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=GENEROUS)
    # Before its first line the program is Python's; a command may have ended; the demo serves until it is stopped.
    assert process.returncode in (130, 0)
    assert message == ""


def test_an_early_hangup_is_harmless_and_a_later_one_reloads(rig: Rig, tmp_path: Path) -> None:
    with running([config(rig, tmp_path)]) as (process, _):
        process.send_signal(signal.SIGHUP)
        assert process.logged("msg=reloaded")
        assert process.poll() is None


def test_sigusr1_logs_how_each_collector_is_each_time_and_ends_nothing(rig: Rig, tmp_path: Path) -> None:
    with running([config(rig, tmp_path)]) as (process, url):
        eventually(f"{url}/metrics", 'batch_exporter_up{account="prod",collector="invocations",system="inkit"} 1')
        for _ in range(2):
            process.send_signal(signal.SIGUSR1)
            assert "collectors=3 " in process.logged("msg=polling ")
            lines = [process.logged("msg=collector ") for _ in range(3)]
            names = {word for line in lines for word in line.split() if word.startswith("collector=")}
            assert names == {"collector=document_batches", "collector=workflow_batches", "collector=invocations"}
            assert all(" account=prod " in line and " due_in=" in line and " up=" in line for line in lines)
        assert process.poll() is None


THREADS = """
import sys, threading
left, start = int(sys.argv.pop(1)), threading.Thread.start
def starting(thread):
    global left
    left -= 1
    if left < 0:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = starting
from exporter.__main__ import main
main()
"""
"""Runs the program where the system lets it start so many threads, and no more."""


@pytest.mark.parametrize(
    ("command", "threads"), [("serve", 0), ("serve", 1), ("serve", 2), ("once", 0), ("demo", 0), ("demo", 2)]
)
def test_where_no_thread_can_be_had_at_the_start_it_says_which_limit_to_raise(
    rig: Rig, tmp_path: Path, command: str, threads: int
) -> None:
    arguments = [command] if command == "demo" else [command, config(rig, tmp_path)]
    arguments += ["--web.listen-address=127.0.0.1:0"] if command != "once" else []
    arguments += ["--api-port=0"] if command == "demo" else []
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(threads), *arguments],
        env={**PATH, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("no thread can be had to start with: raise the limit of processes ("), done.stderr
    assert ("Traceback" in done.stderr, "internal error" in done.stderr, done.returncode) == (False, False, 1)


def test_an_exit_does_not_look_through_all_objects() -> None:
    """With thousands of accounts that takes longer than all else at the end."""
    code = "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); "
    code += "sys.argv[1:] = ['--version']; from exporter.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "True"


def test_output_that_is_closed_is_said_and_nothing_else_gets_it(tmp_path: Path) -> None:
    for command in (["metrics"], ["version"], ["help"], ["check", "--print-schema"]):
        done = subprocess.run(
            ["sh", "-c", '"$0" "$@" >&-', *PROGRAM, *command], env=PATH, stderr=subprocess.PIPE, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, "cannot write to standard output: Bad file descriptor\n")


def test_closed_streams_do_not_lend_their_numbers_to_files(rig: Rig, tmp_path: Path) -> None:
    path = config(rig, tmp_path)
    done = subprocess.run(["sh", "-c", '"$0" "$@" <&- >&- 2>&-', *PROGRAM, "once", path], env=PATH, check=False)
    assert done.returncode == 1
    assert (tmp_path / "serve.db").read_bytes().startswith(b"SQLite format 3\0")


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    done = subprocess.run(
        ["sh", "-c", '("$0" "$@"; echo $? >&2) | head -1', *PROGRAM, "metrics"],
        env=PATH,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "0\n"


@pytest.mark.parametrize("command", [["once"], ["serve", "--web.listen-address=127.0.0.1:0"]])
def test_without_a_temporary_folder_it_names_what_to_set(rig: Rig, tmp_path: Path, command: list[str]) -> None:
    file = Path(config(rig, tmp_path).removeprefix("--config.file="))
    file.write_text(file.read_text().replace(f"{tmp_path}/serve.db", "null"))
    done = without_temporary_folder(*command, f"--config.file={file}")
    assert done.returncode == 2
    assert "set TMPDIR to a folder that can be written, or state.path to a file" in done.stderr


def test_check_says_that_there_is_no_temporary_folder_with_the_line(rig: Rig, tmp_path: Path) -> None:
    file = Path(config(rig, tmp_path).removeprefix("--config.file="))
    file.write_text(file.read_text().replace(f"{tmp_path}/serve.db", "null"))
    done = without_temporary_folder("check", f"--config.file={file}")
    assert done.returncode == 2
    assert "config.yaml:3: state.path: " in done.stderr
    assert "TMPDIR" in done.stderr


def test_the_demo_without_a_temporary_folder_names_what_to_set() -> None:
    done = without_temporary_folder("demo", "--api-port=0", "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 2
    assert "set TMPDIR to a folder that can be written" in done.stderr


NOWHERE = """
import os, sys, tempfile
tempfile._candidate_tempdir_list = lambda: ["/proc/none"]
from exporter.__main__ import main
main()
"""


def without_temporary_folder(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NOWHERE, *arguments],
        env=PATH,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )


UNEXPECTED = """
import sys
from pathlib import Path
import exporter.cli.metrics
from exporter.__main__ import main

def page(*_: object) -> str:
    Path("/none/of/these").read_text()

exporter.cli.metrics.page = page
main()
"""


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_error_of_another_file_is_not_blamed_on_the_output(style: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNEXPECTED, "metrics", f"--log.format={style}"],
        env=PATH,
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        check=False,
    )
    assert done.returncode == 2
    message = "unexpected system error: No such file or directory: /none/of/these (exporter/cli/metrics.py:"
    assert message in done.stderr
    assert "standard output" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["--api-port=0", "--web.listen-address=127.0.0.1:{port}"], "127.0.0.1:10987"),
        (["--api-port=0", "--web.listen-address=localhost:{port}"], "localhost:10987"),
        (["--api-port={port}", "--web.listen-address=127.0.0.1:10987"], "127.0.0.1:10997"),
        (["--api-port={port}", "--web.listen-address=unix:///run/x.sock"], ":10987"),
        (["--api-port={port}"], ":10987"),
    ],
)
def test_a_port_that_is_taken_is_said_with_the_flags_for_others(rig: Rig, arguments: list[str], suggested: str) -> None:
    port = rig.mock_api.url.removesuffix("/v1").rsplit(":", 1)[1]
    done = run("demo", *(argument.format(port=port) for argument in arguments))
    assert done.returncode == 1
    assert f"demo --web.listen-address={suggested} --api-port=10988" in done.stderr


def test_once_whose_output_can_not_be_written_says_so(rig: Rig, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "once", config(rig, tmp_path)],
            env=PATH,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith("cannot write to standard output: No space left on device\n")
