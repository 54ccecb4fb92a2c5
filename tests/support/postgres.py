"""A real PostgreSQL for tests, on a Unix socket and a free port, and databases made in it."""

import contextlib
import functools
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from tests.support.patience import GENEROUS, eventually
from tests.support.ports import free_port
from tools.programs import path_of

SUPERUSER = "postgres"
_numbers = itertools.count(1)


def binary(name: str) -> str:
    """Return the path of a program of PostgreSQL."""
    found = path_of(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: run `make programs`")
    return found


def _unprivileged() -> list[str]:
    """Return what a command begins with to run as a user other than root, as which PostgreSQL refuses to run."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


class Server:
    """A running server. It forgets everything when it ends."""

    def __init__(self, folder: Path, port: int, largest_file: int | None = None) -> None:
        """Prepare a server in a folder.

        None of its files may have more bytes than `largest_file`, as on a full disk.
        """
        self.folder = folder
        self.port = port
        self._limit = [] if largest_file is None else ["prlimit", f"--fsize={largest_file}"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *settings: str) -> None:
        """Start, with settings such as `max_connections=20`, and wait until it accepts connections."""
        options = [f"-c{setting}" for setting in settings]
        fast = ["-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off", "-cshared_buffers=16MB"]
        place = [f"-cunix_socket_directories={self.folder}", "-clisten_addresses=127.0.0.1", f"-cport={self.port}"]
        program = [*_unprivileged(), *self._limit, binary("postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*program, *fast, *place, *options], stdout=log, stderr=log, cwd="/")
        ready = [binary("pg_isready"), "--quiet", "--host", str(self.folder), "--port", str(self.port)]
        process, log_file = self._process, self.folder / "log"

        def accepts() -> bool:
            assert process.poll() is None, log_file.read_text()
            # It prints nothing.
            return subprocess.run([*ready, "--timeout=1"], check=False).returncode == 0

        eventually(accepts, log_file.read_text, pause=0.02)

    def stop(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.send_signal(3)
            self._process.wait(GENEROUS)
            self._process = None

    def promote(self) -> None:
        """Let a standby become a primary, and wait until it can be written to."""
        self.execute("postgres", "SELECT pg_promote()")

    def admin(self, database: str = "postgres") -> "contextlib.closing[psycopg.Connection[tuple[Any, ...]]]":
        """Return a connection as superuser, which may do everything, in autocommit."""
        return contextlib.closing(psycopg.connect(self.url(database), autocommit=True))

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        """Return the URL of a database, by the socket: there all users are trusted."""
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        """Return the URL of a database, by TCP: there users need their passwords."""
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@127.0.0.1:{self.port}/{database}"

    def database(self, options: str = "") -> str:
        """Make an empty database, and return its name."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with self.admin() as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
        return name

    def drop(self, database: str) -> None:
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())

    def cut_connections(self, database: str) -> None:
        """End all connections to a database."""
        with self.admin() as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(query, (database,))

    def execute(self, database: str, statements: str) -> None:
        """Execute statements as superuser."""
        with self.admin(database) as connection:
            connection.execute(statements.encode())


@contextlib.contextmanager
def running(
    *settings: str, files: Mapping[str, bytes] | None = None, largest_file: int | None = None
) -> Iterator[Server]:
    """Start a server of its own, and end it with the block. `files` are put into its folder, readable for it alone."""
    # The path of a Unix socket may have 107 bytes, and pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "password").write_text("superuser-password\n")
        (folder / "password").chmod(0o644)
        for file, content in (files or {}).items():
            (folder / file).write_bytes(content)
            (folder / file).chmod(0o600)
            if os.geteuid() == 0:
                os.chown(folder / file, 65534, 65534)
        initdb = [binary("initdb"), "--no-sync", "--encoding=UTF8", "--locale=C", f"--username={SUPERUSER}"]
        if largest_file is not None:
            # Files of the log of its writes have 16 MB otherwise.
            initdb.append("--wal-segsize=1")
        who = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder / 'password'}"]
        command = [*_unprivileged(), *initdb, *who, "-D", str(folder / "data")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
        server = Server(folder, free_port(), largest_file)
        server.start(*settings)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def standby_of(primary: Server, host: str = "", port: int = 0) -> Iterator[Server]:
    """Start a standby that streams from a server, from another address if one is given, and end it with the block."""
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        copy = [str(Path(binary("initdb")).resolve().with_name("pg_basebackup")), "--no-sync", "--checkpoint=fast"]
        source = ["--write-recovery-conf", f"--host={host or primary.folder}", f"--port={port or primary.port}"]
        command = [*_unprivileged(), *copy, *source, f"--username={SUPERUSER}", "-D", str(folder / "data")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")
        server = Server(folder, free_port())
        server.start("synchronous_commit=on")
        try:
            yield server
        finally:
            server.stop()


_shared = contextlib.ExitStack()


@functools.cache
def shared() -> Server:
    """Return the server that all tests of this process share. `end_shared` ends it."""
    return _shared.enter_context(running())


def end_shared() -> None:
    """End the server of this process if it runs."""
    _shared.close()


@functools.cache
def prepared(folder: Path) -> str:
    """Return the URL of a database of the shared server, the same for the same folder."""
    return shared().url(shared().database())
