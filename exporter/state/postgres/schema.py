"""The tables in PostgreSQL, their version, and their migration."""

from collections.abc import Callable, Mapping

from exporter.state.postgres.connection import patient
from exporter.state.postgres.errors import state_error
from exporter.state.postgres.pool import Connection

VERSION = 1
"""The version of the tables that this program makes."""
MIN_READER = 1
"""The least version of a program that may use tables of VERSION: changes are additive within a release."""

_PROGRAM = "batch-exporter"
LOCK = 0x62617463
"""The key of the advisory lock under which the tables are made and migrated."""
TABLES = ("meta", "collectors", "series", "records", "failures", "replicas", "leases")

_FIRST = """
CREATE TABLE meta (
    program text NOT NULL,
    version integer NOT NULL,
    min_reader integer NOT NULL
);
CREATE TABLE collectors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    collector text COLLATE "C" NOT NULL,
    marks text NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 0,
    UNIQUE (account, collector)
) WITH (fillfactor = 50);
CREATE TABLE series (
    collector bigint NOT NULL,
    number bigint NOT NULL,
    key text NOT NULL,
    total bigint NOT NULL,
    events bigint NOT NULL,
    published bigint NOT NULL,
    cause text,
    spread text,
    published_spread text,
    rose bigint,
    PRIMARY KEY (collector, number)
) WITH (fillfactor = 60);
CREATE TABLE records (
    collector bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    created_at double precision NOT NULL,
    state smallint NOT NULL,
    amounts text NOT NULL,
    batch_id text COLLATE "C",
    PRIMARY KEY (collector, id)
);
CREATE INDEX records_by_time ON records (collector, created_at);
CREATE INDEX records_in_flight ON records (collector, created_at) WHERE state = 1;
CREATE TABLE failures (
    collector bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    turn bigint NOT NULL,
    created_at double precision NOT NULL,
    at double precision NOT NULL,
    amounts text NOT NULL,
    workflow text,
    PRIMARY KEY (collector, id)
);
CREATE TABLE replicas (
    holder text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    joined_at timestamptz NOT NULL,
    leaving boolean NOT NULL DEFAULT false,
    config text NOT NULL DEFAULT '',
    config_since timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE leases (
    account text COLLATE "C" PRIMARY KEY,
    holder text COLLATE "C",
    epoch bigint NOT NULL DEFAULT 0,
    since timestamptz NOT NULL
);
CREATE INDEX leases_by_holder ON leases (holder);
"""

_MIGRATIONS: Mapping[int, str] = {0: _FIRST}
"""Statements by the version they start from; each brings the tables to the next version."""


def prepare(place: str) -> Callable[[Connection], None]:
    """Return the call that makes or migrates the tables. It raises StateError for tables that are not ours to use.

    Where they are as they should be, no privilege to make tables is needed, and nothing is locked.
    """

    def call(connection: Connection) -> None:
        if _version(connection, place) >= VERSION:
            return
        with patient(connection):
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            # Another replica may have made the tables meanwhile.
            version = _version(connection, place)
            for start in range(version, VERSION):
                connection.execute(_MIGRATIONS[start].encode())
            if version == 0:
                row = (_PROGRAM, VERSION, MIN_READER)
                connection.execute("INSERT INTO meta (program, version, min_reader) VALUES (%s, %s, %s)", row)
            elif version < VERSION:
                connection.execute("UPDATE meta SET version = %s, min_reader = %s", (VERSION, MIN_READER))

    return call


def inspect(place: str) -> Callable[[Connection], int]:
    """Return the call that returns the version of the tables, 0 if there are none, and raises StateError as `prepare`.

    Nothing is made or locked.
    """
    return lambda connection: _version(connection, place)


def _version(connection: Connection, place: str) -> int:
    """Return the version of the tables, 0 for an empty database. Raises StateError for one that is not ours."""
    query = """SELECT (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
               current_schema(),
               ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                     AND relname = ANY(%s) ORDER BY relname),
               (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('meta') AND NOT attisdropped
                AND attname IN ('program', 'version', 'min_reader'))"""
    found = connection.execute(query, (list(TABLES),)).fetchone()
    encoding, schema, tables, columns = found or ("", None, [], 0)
    if encoding != "UTF8":
        raise state_error(place, "its encoding is not UTF8: create it with ENCODING 'UTF8' TEMPLATE template0")
    if schema is None:
        raise state_error(place, "there is no schema to make tables in: check search_path")
    if not tables:
        return 0
    row = None
    if "meta" in tables and columns == 3:
        row = connection.execute("SELECT program::text, version, min_reader FROM meta LIMIT 1").fetchone()
    if row is None or row[0] != _PROGRAM:
        listed = ", ".join(tables)
        raise state_error(
            place, f"it has tables of another program ({listed}): give the exporter a database or a schema of its own"
        )
    _, version, min_reader = row
    if min_reader > VERSION:
        raise state_error(
            place,
            f"it was written by a newer version of this program (schema {version}, known {VERSION}): run that version,"
            " or use another database",
        )
    return int(version)
