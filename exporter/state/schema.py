"""The tables, their version, and how a file of an older version is brought up to date."""

import sqlite3

APPLICATION_ID = 0x62617463
"""Stands in the file's header (`PRAGMA application_id`), so that no other program's database is taken for ours."""

VERSION = 3
"""Stands there too (`PRAGMA user_version`)."""

_TABLES = """
CREATE TABLE collectors (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    collector TEXT NOT NULL,
    marks TEXT NOT NULL DEFAULT '{}',
    UNIQUE (account, collector)
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    collector INTEGER NOT NULL,
    key TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    shown INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    spread TEXT,
    UNIQUE (collector, key)
);
CREATE TABLE records (
    collector INTEGER NOT NULL,
    id TEXT NOT NULL,
    created_at REAL NOT NULL,
    state INTEGER NOT NULL,
    adds TEXT NOT NULL,
    part_of TEXT,
    PRIMARY KEY (collector, id)
) WITHOUT ROWID;
CREATE INDEX records_by_time ON records (collector, created_at);
CREATE INDEX records_in_flight ON records (collector, created_at) WHERE state = 1;
"""

_ORDER = "ALTER TABLE series ADD COLUMN rose INTEGER;"
"""In which order counters first rose: the ones that came first keep their own series, however many there are."""

_FAILURES = """
CREATE TABLE failures (
    collector INTEGER NOT NULL,
    id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    created_at REAL NOT NULL,
    at REAL NOT NULL,
    amounts TEXT NOT NULL,
    workflow TEXT,
    PRIMARY KEY (collector, id)
) WITHOUT ROWID;
"""
"""The last failed records. What failed before is not known here, only counted: the table begins empty."""

_MIGRATIONS: dict[int, str] = {0: _TABLES, 1: _ORDER, 2: _FAILURES}
"""By the version they start from; each brings a file one version on."""


class Foreign(Exception):
    """The file is not ours to write. The text says what it is."""


def migrate(connection: sqlite3.Connection) -> None:
    """Make a new file ours, or bring an older one up to date. Raises Foreign, leaving the file as it is."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise Foreign("is a database of another program")
    if version > VERSION:
        raise Foreign(f"was written by a newer version of this program (schema {version}, known {VERSION})")
    for start in range(version, VERSION):
        connection.executescript(
            f"BEGIN; {_MIGRATIONS[start]} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {start + 1}; COMMIT;"
        )
