"""Turn errors of psycopg into messages for the operator.

Messages of libpq and of the server are never shown: they may quote what the URL holds, or what a statement was given.
"""

import re
from collections.abc import Sequence

import psycopg

from exporter.model.record import StateError

NO_STATE = "it has no state yet: start an exporter with it, or check the name of the database and its search_path"

_CONNECTING: Sequence[tuple[str, str, bool]] = (
    (
        r"password authentication failed|no password supplied|authentication failed for user",
        "it refuses the user or the password: check state.url or state.url_file",
        False,
    ),
    (
        r"no pg_hba\.conf entry",
        "its pg_hba.conf has no entry for this user, database and address: add one",
        False,
    ),
    (r"is not permitted to log in", "the user may not log in: ALTER ROLE … LOGIN", False),
    (r'role ".*" does not exist', "there is no such user: create it, or check state.url", False),
    (r'database ".*" does not exist', "there is no such database: create it, or check state.url", False),
    (r"permission denied for database", "the user may not connect to this database: GRANT CONNECT ON DATABASE", False),
    (
        r"too many (clients|connections)|remaining connection slots",
        "it has no connection left: raise its max_connections, or lower state.pool_size",
        True,
    ),
    (r"starting up|shutting down|not yet accepting|recovery mode", "it is starting or shutting down", True),
    (
        r"session is read-only|read.only|not in hot standby",
        "it is a standby or read-only, and can't be written to: name the primary in state.url",
        True,
    ),
    (
        r"invalid \S+ value|invalid value for parameter",
        "a parameter has a value that libpq does not know: check state.url",
        False,
    ),
    (
        r"server does not support SSL",
        "it does not offer TLS: set ssl = on in its postgresql.conf, or another sslmode in state.url",
        False,
    ),
    (
        r"does not match host name",
        "its certificate is for another name: name the host in state.url as the certificate does",
        False,
    ),
    (
        r"certificate verify failed",
        "its certificate is of no authority in sslrootcert, or has expired: check sslrootcert in state.url",
        False,
    ),
    (r"root certificate file", "there is no file of authorities: check sslrootcert in state.url", False),
    (r"SSL|certificate", "TLS failed: check sslmode and sslrootcert in state.url", False),
    (
        r"unrecognized configuration parameter|unsupported startup parameter",
        "it refuses a parameter: check options in state.url, and set state.prepared_statements: false behind a pooler",
        False,
    ),
    (r"failed to resolve host|could not translate host name", "the name of its host can't be resolved", True),
    (
        r"Connection refused|No such file or directory|No route to host|unreachable|timeout expired|timed out",
        "nothing answers there: check that it runs, host and port",
        True,
    ),
)
"""What libpq says where a connection can't be opened, what it means, and whether the next attempt may succeed."""

_SQLSTATES: Sequence[tuple[str, str, bool]] = (
    ("53100", "its disk is full: make room on its volume", True),
    ("53200", "it is out of memory: raise its memory", True),
    ("53300", "it has no connection left: raise its max_connections, or lower state.pool_size", True),
    ("53", "its disk, memory or quota does not suffice: see the log of the database", True),
    ("25006", "it is a standby or read-only, and can't be written to: name the primary in state.url", True),
    ("42501", "the user lacks a privilege: GRANT it the tables of the exporter, or let it own them", False),
    ("28", "it refuses the user or the password: check state.url or state.url_file", False),
    ("3D000", "there is no such database: create it, or check state.url", False),
    ("3F000", "there is no schema to make tables in: check search_path", False),
    ("42P01", "a table is missing: restart the exporter, which makes it", False),
    ("42", "a table is not as the exporter made it: restore it, or use another database", False),
    ("57014", "it canceled the statement after its statement_timeout, or at the request of somebody", True),
    ("57", "it is starting, shutting down or ended the connection", True),
    ("40", "another transaction was in the way", True),
    ("55P03", "another transaction holds a lock for too long: end it", True),
    ("55", "an object is in use by another program", True),
    ("54", "a limit of the database is exceeded: see the log of the database", False),
    ("58", "its disk can't be read or written: see the log of the database", True),
    ("XX", "it is damaged: see the log of the database", False),
    ("08", "the connection was cut", True),
    ("22", "it refuses a value: its encoding must be UTF8, and the tables as the exporter made them", False),
    ("23", "a table has rows that the exporter did not write: restore it, or use another database", False),
    ("0A", "it lacks a function that the exporter needs: PostgreSQL 13 or newer is required", False),
)
"""Beginnings of error codes (https://www.postgresql.org/docs/current/errcodes-appendix.html), the longest first for
each kind, what they mean, and whether the next attempt may succeed."""


def state_error(place: str, what: str, *, passing: bool = False) -> StateError:
    """Return the error for the operator. `place` is the URL of the database without credentials."""
    return StateError(f"state database {place}: {what}", passing=passing)


def closed(place: str) -> StateError:
    """Return the error for calls after the end."""
    return state_error(place, "it was closed at the end of the exporter")


def hanging(place: str, seconds: float) -> StateError:
    """Return the error for a call that took too long."""
    return state_error(place, f"no answer within {seconds:g} s: check the network, its load and locks", passing=True)


def unavailable(place: str, error: Exception) -> StateError | None:
    """Return the error for a connection that could not be opened; None if the cause is not the database."""
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is not None:
        return understood(place, error)
    if isinstance(error, psycopg.ProgrammingError):
        return state_error(place, "the URL or a parameter in it is invalid: check state.url")
    text = str(error)
    for pattern, meaning, passing in _CONNECTING:
        if re.search(pattern, text):
            return state_error(place, meaning, passing=passing)
    return state_error(place, "it can't be connected to: see the log of the database", passing=True)


def understood(place: str, error: Exception) -> StateError | None:
    """Return the error for a statement that failed; None if the cause is not the database."""
    if not isinstance(error, psycopg.Error):
        return None
    code = error.sqlstate
    if code is None:
        if isinstance(error, psycopg.OperationalError):
            return state_error(place, "the connection was cut", passing=True)
        return None
    for beginning, meaning, passing in _SQLSTATES:
        if code.startswith(beginning):
            return state_error(place, f"{meaning} (SQLSTATE {code})", passing=passing)
    return state_error(place, f"a statement failed: see the log of the database (SQLSTATE {code})")


def damaged(place: str, error: Exception) -> StateError:
    """Return the error for rows that do not hold what was written."""
    how = type(error).__name__
    return state_error(place, f"its content can't be read ({how}): restore it, or give the exporter an empty database")
