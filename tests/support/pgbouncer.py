"""PgBouncer in transaction mode before a test's PostgreSQL."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

from tests.support import postgres
from tests.support.ports import free_port


@contextlib.contextmanager
def pooled(server: postgres.Server) -> Iterator[int]:
    """Start a pooler of few connections that several share, and return its port."""
    port = free_port()
    config = server.folder / "pgbouncer.ini"
    place = f"host={server.folder} port={server.port} user={postgres.SUPERUSER}"
    config.write_text(
        f"[databases]\n* = {place}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    # For the user that it runs as, whatever the umask is.
    config.chmod(0o644)
    as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with (server.folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen([*as_user, "pgbouncer", str(config)], stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()
