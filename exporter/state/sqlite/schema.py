"""The tables, their version, and the migration of a file of an older version."""

import json
import sqlite3
from collections.abc import Callable

APPLICATION_ID = 0x62617463
"""Written in the file's header (`PRAGMA application_id`), so that another program's database is not taken for ours."""

VERSION = 5
"""The version of the tables, also in the header (`PRAGMA user_version`)."""

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
"""The order in which counters first rose: beyond the cap, the earliest keep their own series."""

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
"""The last failed records. Earlier failures are counted and not listed: the table begins empty."""

_PUBLISHED = """
CREATE TABLE new_series (
    id INTEGER PRIMARY KEY,
    collector INTEGER NOT NULL,
    key TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    spread TEXT,
    published_spread TEXT,
    rose INTEGER,
    UNIQUE (collector, key)
);
INSERT INTO new_series (id, collector, key, total, events, published, cause, spread, published_spread, rose)
    SELECT id, collector, key, total, events, CASE shown WHEN 1 THEN events ELSE 0 END, cause, spread, spread, rose
    FROM series;
DROP TABLE series;
ALTER TABLE new_series RENAME TO series;
"""
"""The value of a series that scrapes may have shown, which is lower than its count until that is published."""

_NUMBERED = """
CREATE TABLE new_series (
    collector INTEGER NOT NULL,
    number INTEGER NOT NULL,
    key TEXT NOT NULL,
    total INTEGER NOT NULL,
    events INTEGER NOT NULL,
    published INTEGER NOT NULL,
    cause TEXT,
    spread TEXT,
    published_spread TEXT,
    rose INTEGER,
    PRIMARY KEY (collector, number)
) WITHOUT ROWID;
INSERT INTO new_series (collector, number, key, total, events, published, cause, spread, published_spread, rose)
    SELECT collector, id, key, total, events, published, cause, spread, published_spread, rose FROM series;
DROP TABLE series;
ALTER TABLE new_series RENAME TO series;
"""
"""Each collector numbers its series, so that a write needs to read nothing back. Present series keep their numbers."""

_INVOCATIONS = "inkit_invocations_finished_total"
_GENERATIONS = "inkit_invocation_generations_finished_total"
_FAILED = ("failed", "timed_out", "expired", "error")


def _publish(connection: sqlite3.Connection) -> None:
    """Keep the published value of each series, and count invocations as version 4 does.

    It counts them by their own status alone, and with deliveries that failed without a destination that says so.
    """
    _execute(connection, _PUBLISHED)
    for (collector,) in connection.execute("SELECT id FROM collectors").fetchall():
        merged = _merge_invocations(connection, collector)
        unplaced, failed = _roll_ups(connection, collector)
        connection.create_function("renumbered", 1, lambda amounts: _renumbered(amounts, merged))  # noqa: B023
        connection.create_function("placed", 1, lambda contributions: _placed(contributions, unplaced, failed))  # noqa: B023
        renumber = "UPDATE {0} SET {1} = renumbered({1}) WHERE collector = ? AND {1} != renumbered({1})"
        for table, column in (("records", "adds"), ("failures", "amounts")):
            connection.execute(renumber.format(table, column), (collector,))
        # A record that is in flight counts its failure when it is next seen: it has counted none.
        place = "UPDATE records SET adds = placed(adds) WHERE collector = ? AND state != 1 AND adds != placed(adds)"
        connection.execute(place, (collector,))


def _merge_invocations(connection: sqlite3.Connection, collector: int) -> dict[str, str]:
    """Merge series that differ in `destination_status` alone. Return old numbers with the new ones."""
    query = "SELECT id, key, cause FROM series WHERE collector = ? ORDER BY id"
    alike: dict[tuple[str, ...], list[tuple[int, str | None]]] = {}
    for number, key, cause in connection.execute(query, (collector,)).fetchall():
        family, *labels = json.loads(key)
        if family == _INVOCATIONS:
            alike.setdefault((family, labels[0], *labels[2:]), []).append((number, cause))
    # A new key may be the text of an old one: a workflow may have the name of a status.
    involved = [(number,) for members in alike.values() for number, _ in members]
    connection.executemany("UPDATE series SET key = '#' || key WHERE id = ?", involved)
    merged: dict[str, str] = {}
    for key, members in alike.items():
        (kept, _), *others = members
        causes = [cause for _, cause in members if cause is not None]
        latest = max(causes, key=lambda cause: float(json.loads(cause)[2]), default=None)
        numbers = ",".join(str(number) for number, _ in members)
        connection.execute(
            f"""UPDATE series SET key = ?, cause = ?, (events, published, rose) =
                (SELECT sum(events), sum(published), min(rose) FROM series WHERE id IN ({numbers}))
                WHERE id = ?""",  # noqa: S608
            (json.dumps(key), latest, kept),
        )
        connection.executemany("DELETE FROM series WHERE id = ?", [(number,) for number, _ in others])
        merged |= {str(number): str(kept) for number, _ in others}
    return merged


def _roll_ups(connection: sqlite3.Connection, collector: int) -> tuple[dict[str, str], frozenset[str]]:
    """Return the gauges of invocations whose deliveries failed, and the counters of failures with a destination.

    Each gauge comes with the counter of failures without a destination. All are numbers of series.
    """
    rows = connection.execute("SELECT id, key FROM series WHERE collector = ?", (collector,)).fetchall()
    keys = {tuple(json.loads(key)): number for number, key in rows}
    unplaced: dict[str, str] = {}
    for (family, *labels), number in list(keys.items()):
        if family == "inkit_invocations" and labels[1] in _FAILED:
            key = (_GENERATIONS, "none", *labels[1:])
            if key not in keys:
                insert = "INSERT INTO series (collector, key) VALUES (?, ?)"
                keys[key] = int(connection.execute(insert, (collector, json.dumps(key))).lastrowid or 0)
            unplaced[str(number)] = str(keys[key])
    failed = (str(number) for key, number in keys.items() if key[0] == _GENERATIONS and key[2] in _FAILED)
    return unplaced, frozenset(failed)


def _renumbered(amounts: str, merged: dict[str, str]) -> str:
    """Return the amounts with the present numbers of the series."""
    added: dict[str, int] = {}
    for pair in amounts.split():
        number, _, amount = pair.partition(":")
        number = merged.get(number, number)
        added[number] = added.get(number, 0) + int(amount)
    return " ".join(f"{number}:{amount}" for number, amount in added.items())


def _placed(contributions: str, unplaced: dict[str, str], failed: frozenset[str]) -> str:
    """Return the amounts, with the failure that no destination shows if there is one."""
    numbers = {pair.partition(":")[0] for pair in contributions.split()}
    if numbers & failed:
        return contributions
    return " ".join([contributions, *(f"{unplaced[number]}:1" for number in sorted(numbers & unplaced.keys()))])


def _execute(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


_MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {
    0: lambda connection: _execute(connection, _TABLES),
    1: lambda connection: _execute(connection, _ORDER),
    2: lambda connection: _execute(connection, _FAILURES),
    3: _publish,
    4: lambda connection: _execute(connection, _NUMBERED),
}
"""Migrations by the version they start from; each brings a file to the next version."""


class Foreign(Exception):
    """Raised for a file that is not ours to write. The text says what it is."""


def migrate(connection: sqlite3.Connection, to: int = VERSION) -> int:
    """Set up a new file, or migrate an older one. Raises Foreign, and leaves the file as it is.

    Return the version that the file had: 0 for a new one.

    The connection must be in autocommit mode. `to`: the version to stop at.
    """
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise Foreign("is a database of another program")
    if version > VERSION:
        raise Foreign(f"was written by a newer version of this program (schema {version}, known {VERSION})")
    for start in range(version, to):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _MIGRATIONS[start](connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {start + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return int(version)
