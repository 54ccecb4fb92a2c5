"""Open connections to the database as a pool needs them."""

import contextlib
from collections.abc import Callable, Iterator

import psycopg
from psycopg.conninfo import conninfo_to_dict

from exporter.state.postgres.pool import CALL_SECONDS, Connection

_CONNECT_SECONDS = 3
"""How long each address of a host may take to answer."""
_SERVER_SECONDS = CALL_SECONDS + 2
"""How long the server works on a statement: one that the exporter has given up must not wait for a lock forever."""
_LONG_SERVER_SECONDS = 65
"""The same for calls that take long: a statement that waits for a lock does not notice that its client is gone."""
_PARAMETERS = {
    "application_name": "batch-exporter",
    "target_session_attrs": "read-write",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    # Trying Kerberos costs a round trip, and libpq has it on.
    "gssencmode": "disable",
}
"""Parameters of libpq where the URL does not set them."""
_SETTINGS = {
    "statement_timeout": f"{round(_SERVER_SECONDS * 1000)}",
    "idle_in_transaction_session_timeout": "10000",
    # So that the server notices a host that is gone, and ends what that had begun.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""Settings of the server for the session. A pooler refuses them."""


def parameters(url: str, *, settings: bool = True) -> dict[str, str]:
    """Return the parameters of a connection. Raises psycopg.ProgrammingError for an invalid URL."""
    given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    if settings:
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        # The last one counts: what the URL sets comes last.
        given["options"] = f"{options} {given.get('options', '')}".strip()
    # Text arrives as UTF-8, whatever the environment says.
    return {**_PARAMETERS, **given, "connect_timeout": str(_CONNECT_SECONDS), "client_encoding": "UTF8"}


def connector(url: Callable[[], str], *, prepared_statements: bool = True) -> Callable[[], Connection]:
    """Return a function that opens a connection in autocommit. `url` is called for each, because secrets are rotated.

    Without prepared statements, no setting of the server is changed either: behind a pooler, sessions are shared.
    """

    def connect() -> Connection:
        wanted = parameters(url(), settings=prepared_statements)
        threshold = 5 if prepared_statements else None
        return psycopg.connect("", autocommit=True, prepare_threshold=threshold, **wanted)  # type: ignore[arg-type]

    return connect


@contextlib.contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Hold a transaction in which statements may take as long as the pool allows the longest calls."""
    with connection.transaction():
        connection.execute(f"SET LOCAL statement_timeout = {_LONG_SERVER_SECONDS * 1000}".encode())
        yield
