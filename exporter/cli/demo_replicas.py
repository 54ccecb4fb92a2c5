"""The demo's exporters that share a PostgreSQL of their own: one can be killed, and the others take over."""

import argparse
import contextlib
import os
import pwd
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exporter.cli.commands import COMMANDS
from exporter.cli.flags import UsageError
from exporter.cli.serve import Signals
from exporter.model.record import StateError
from exporter.state.postgres import require

DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the server out of PATH, each version in a folder of its own."""
_PROGRAMS = ("initdb", "postgres")
_LONGEST_SOCKET = 90
"""The longest path of a socket's folder, in bytes: the system allows 107 for the socket."""
_PORTS_APART = 10
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.2
LEASE_TTL = "10s"
_OF_ONE = ("--web.listen-address", "--web.systemd-socket")
_PORT = re.compile(r"msg=serving .*\bport=(\d+)")


@dataclass(frozen=True, slots=True)
class _Replica:
    number: int
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path


def programs() -> Path:
    """Return the folder of PostgreSQL's programs. Raises UsageError if there is none."""
    require()
    found = [Path(path).parent for path in [shutil.which("initdb")] if path is not None]
    found += sorted(DEBIAN.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    for folder in found:
        if all((folder / name).exists() for name in _PROGRAMS):
            return folder
    raise UsageError(
        "--replicas needs PostgreSQL's programs initdb and postgres, which are neither in PATH nor in"
        f" {DEBIAN}: install PostgreSQL (apt install postgresql), or leave --replicas out"
    )


def check_flags(args: argparse.Namespace) -> None:
    """Raise UsageError for flags that several exporters can't have."""
    if args.api_only or args.systemd_socket:
        raise UsageError("--replicas can't be given with --api-only or --web.systemd-socket")
    if len(args.listen_address) > 1 or not re.fullmatch(r"[^/]*:\d+", args.listen_address[0]):
        raise UsageError("--replicas needs one --web.listen-address, HOST:PORT: the next exporters have higher ports")


def web_flags(args: argparse.Namespace) -> list[str]:
    """Return the flags of the web server that several exporters have alike, with the values that were given."""
    flags = []
    for name, flag in COMMANDS["demo"].flags.items():
        value = getattr(args, flag.dest)
        if name.startswith("--web.") and name not in _OF_ONE and value is not None and value is not False:
            flags.append(name if flag.is_switch else f"{name}={value}")
    return flags


def run_replicas(args: argparse.Namespace, folder: Path, config: str, signals: Signals) -> bool:
    """Run so many exporters until a signal says to stop. `config` lacks the state. Return whether all began to serve.

    All files are in the folder and are deleted with it.
    """
    with _postgres(programs(), folder) as url:
        path = folder / "config.yaml"
        path.write_text(f"state: {{url: '{url}', lease_ttl: {LEASE_TTL}}}\n{config}")
        with contextlib.ExitStack() as started:
            # Start all at once, so that each gets its share at the start.
            processes = [_started(number, args, path, started) for number in range(1, args.replicas + 1)]
            replicas = [_serving(number, *process) for number, process in enumerate(processes, 1)]
            _print(replicas)
            _watch(replicas, signals)
    return True


def _number(version: str) -> float:
    return float(version) if re.fullmatch(r"\d+(\.\d+)?", version) else 0.0


@contextlib.contextmanager
def _postgres(binaries: Path, folder: Path) -> Iterator[str]:
    """Run a PostgreSQL that listens on a socket in the folder alone, and yield the URL of its database."""
    if len(os.fsencode(folder)) > _LONGEST_SOCKET:
        raise UsageError("the path of the temporary folder is too long for a socket: set TMPDIR to a shorter one")
    who = _unprivileged(folder)
    data = ["-D", str(folder / "data")]
    initdb = [str(binaries / "initdb"), "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "-U", "exporter"]
    made = subprocess.run(  # noqa: S603 (our own arguments)
        [*initdb, *data], capture_output=True, text=True, check=False, cwd="/", **who
    )
    if made.returncode != 0:
        raise UsageError(f"initdb has failed: {made.stderr.strip()}")
    settings = [f"-cunix_socket_directories={folder}", "-clisten_addresses=", "-cport=5432", "-cfsync=off"]
    with (folder / "postgres.log").open("ab") as log:
        command = [*_ending_with_us(signal.SIGQUIT), str(binaries / "postgres"), *data, *settings]
        server = subprocess.Popen(  # noqa: S603 (our own arguments)
            command, stdout=log, stderr=log, cwd="/", start_new_session=True, **who
        )
    url = f"postgresql://exporter@/postgres?host={quote(str(folder), safe='')}&port=5432"
    try:
        _wait_for(server, url, folder / "postgres.log")
        yield url
    finally:
        _end(server, signal.SIGINT)


def _ending_with_us(number: signal.Signals) -> list[str]:
    """Return the prefix of a command that sends it this signal when the demo is killed; empty if not supported."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", number.name.removeprefix("SIG")]


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Return what a process needs to run as another user if this is root, as which PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_for(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    from exporter.state.postgres.tables import opened, unpooled

    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            with opened(unpooled(lambda: url), "of the demo"):
                return
        except StateError:
            if server.poll() is not None or time.monotonic() > until:
                raise UsageError(f"PostgreSQL does not start: {_last_line(log)}") from None
        time.sleep(_LOOK_SECONDS)


def _started(
    number: int, args: argparse.Namespace, config: Path, started: contextlib.ExitStack
) -> tuple["subprocess.Popen[bytes]", Path]:
    """Start an exporter, and return its process and its log. It ends with `started`."""
    host, _, port = args.listen_address[0].rpartition(":")
    address = f"{host}:{int(port) and int(port) + _PORTS_APART * (number - 1)}"
    flags = [f"--config.file={config}", f"--web.listen-address={address}", *web_flags(args)]
    # The line with its port is of the level info.
    flags += ["--log.level=debug"] if args.log_level == "debug" else []
    log = config.with_name(f"replica-{number}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (our own arguments)
            [*_ending_with_us(signal.SIGTERM), sys.executable, "-m", "exporter", "serve", *flags],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    started.callback(_end, process, signal.SIGTERM)
    return process, log


def _serving(number: int, process: "subprocess.Popen[bytes]", log: Path) -> _Replica:
    """Wait until an exporter serves. Raises UsageError if it does not."""
    until = time.monotonic() + _START_SECONDS
    while (found := _PORT.search(log.read_text(errors="replace"))) is None:
        if process.poll() is not None or time.monotonic() > until:
            raise UsageError(f"replica {number} does not start: {_last_line(log)}")
        time.sleep(_LOOK_SECONDS)
    return _Replica(number, process, int(found[1]), log)


def _print(replicas: Sequence[_Replica]) -> None:
    print("All data is invented. These exporters share the accounts, and a PostgreSQL of their own:")
    for each in replicas:
        print(f"  replica {each.number}  http://localhost:{each.port}/  process {each.process.pid}  log {each.log}")
    print(f"Try: kill -9 {replicas[0].process.pid}")
    if len(replicas) > 1:
        print(f"Then http://localhost:{replicas[1].port}/ shows how others take over its accounts, after {LEASE_TTL}.")
    print("Ctrl-C ends all.", flush=True)


def _watch(replicas: Sequence[_Replica], signals: Signals) -> None:
    """Wait for a signal to stop, and report each exporter that ends before."""
    running = list(replicas)
    while True:
        with contextlib.suppress(queue.Empty):
            signals.stops.get(timeout=_LOOK_SECONDS)
            return
        for each in [each for each in running if each.process.poll() is not None]:
            running.remove(each)
            print(f"replica {each.number} has ended; {len(running)} left", flush=True)


def _end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it has logged nothing"
