"""What must outlive a poll: the records in the window and the sums over them. The only module that knows SQL.

It decides nothing: the ledger does. A page's records and the sums they move are written in one transaction.
"""

import contextlib
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter import ledger
from exporter.records import Key, Record, StateError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS collectors (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    collector TEXT NOT NULL,
    UNIQUE (account, collector)
);
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    collector INTEGER NOT NULL,
    key TEXT NOT NULL,
    total INTEGER NOT NULL,
    UNIQUE (collector, key)
);
CREATE TABLE IF NOT EXISTS records (
    collector INTEGER NOT NULL,
    id TEXT NOT NULL,
    created_at REAL NOT NULL,
    in_flight INTEGER NOT NULL,
    adds TEXT NOT NULL,
    part_of TEXT,
    PRIMARY KEY (collector, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_time ON records (collector, created_at);
CREATE INDEX IF NOT EXISTS records_by_batch ON records (collector, part_of) WHERE part_of IS NOT NULL;
"""

_IDS_AT_ONCE = 500
"""SQLite takes a bounded number of parameters in a statement."""


@dataclass(frozen=True, slots=True)
class State:
    """A state file. Each poll opens it for itself: a thousand accounts need no thousand open files."""

    path: Path

    def prepare(self) -> None:
        """Create what is missing. Raises StateError."""
        try:
            with contextlib.closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StateError(f"state file {self.path}: {error}") from error

    @contextlib.contextmanager
    def records(self, account: str, collector: str) -> "Iterator[Records]":
        """The records of one collector, for the length of one poll. Raises StateError then and within."""
        try:
            with contextlib.closing(self._connect()) as connection:
                yield Records(connection, account, collector)
        except sqlite3.Error as error:
            raise StateError(f"state file {self.path}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


@contextlib.contextmanager
def prepared(path: Path | None) -> Iterator[State]:
    """A state ready for use; without a path it lasts as long as the program. Raises StateError."""
    if path is not None:
        state = State(path)
        state.prepare()
        yield state
        return
    with tempfile.TemporaryDirectory(prefix="batch-exporter-") as folder:
        state = State(Path(folder) / "state.db")
        state.prepare()
        yield state


class Records:
    """The records of one collector and the sums over them."""

    def __init__(self, connection: sqlite3.Connection, account: str, collector: str) -> None:
        self._db = connection
        self._account = account
        self._collector = self._number(collector)
        rows = self._db.execute("SELECT id, key FROM series WHERE collector = ?", (self._collector,))
        self._keys: dict[int, Key] = {number: tuple(json.loads(key)) for number, key in rows}
        self._numbers: dict[Key, int] = {key: number for number, key in self._keys.items()}

    def apply(self, changed: Iterable[Record], gone: Iterable[str] = ()) -> int:
        """Take records in as they are now, and drop the ids that are gone: all of it or, on an error, nothing.

        Returns how many of them were not as they had been.
        """
        news = {record.id: record for record in changed}
        known = self.get([*news, *gone])
        pairs: list[tuple[Record | None, Record | None]]
        pairs = [(known.get(one), record) for one, record in news.items()]
        pairs += [(known[one], None) for one in gone if one in known and one not in news]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        if not pairs:
            return 0
        with self._transaction():
            totals: Counter[Key] = Counter()
            for before, after in pairs:
                totals.update(ledger.change(before, after))
            self._add(totals)
            self._write([after for _, after in pairs if after is not None])
            self._delete([before.id for before, after in pairs if before is not None and after is None])
        return len(pairs)

    def get(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Those of the records that are known."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            marks = ",".join("?" * len(some))
            query = (
                f"SELECT id, created_at, in_flight, adds, part_of FROM records WHERE collector = ? AND id IN ({marks})"  # noqa: S608
            )
            for one, created_at, in_flight, adds, part_of in self._db.execute(query, (self._collector, *some)):
                found[one] = Record(one, created_at, bool(in_flight), self._decode(adds), part_of)
        return found

    def finished_before(self, moment: float) -> Sequence[str]:
        """Ids of finished records that were created before."""
        query = "SELECT id FROM records WHERE collector = ? AND created_at < ? AND NOT in_flight"
        return [one for (one,) in self._db.execute(query, (self._collector, moment))]

    def since(self, moment: float) -> Sequence[str]:
        """Ids of all records that were created then or later."""
        query = "SELECT id FROM records WHERE collector = ? AND created_at >= ?"
        return [one for (one,) in self._db.execute(query, (self._collector, moment))]

    def batches_named_by(self, collector: str) -> Sequence[str]:
        """The batches that the records of another collector of the account say they are part of."""
        query = "SELECT DISTINCT part_of FROM records WHERE collector = ? AND part_of IS NOT NULL"
        return [one for (one,) in self._db.execute(query, (self._number(collector),))]

    def totals(self) -> Mapping[Key, int]:
        """The sum over the records of what each adds, by series."""
        query = "SELECT id, total FROM series WHERE collector = ? AND total != 0"
        return {self._keys[number]: total for number, total in self._db.execute(query, (self._collector,))}

    def _number(self, collector: str) -> int:
        row = (self._account, collector)
        query = "SELECT id FROM collectors WHERE account = ? AND collector = ?"
        found = self._db.execute(query, row).fetchone()
        if found is None:
            self._db.execute("INSERT INTO collectors (account, collector) VALUES (?, ?) ON CONFLICT DO NOTHING", row)
            found = self._db.execute(query, row).fetchone()
        return int(found[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _add(self, totals: Mapping[Key, int]) -> None:
        for key, amount in totals.items():
            if key not in self._numbers:
                query = "INSERT INTO series (collector, key, total) VALUES (?, ?, 0)"
                cursor = self._db.execute(query, (self._collector, json.dumps(key)))
                number = int(cursor.lastrowid or 0)
                self._keys[number] = key
                self._numbers[key] = number
            self._db.execute("UPDATE series SET total = total + ? WHERE id = ?", (amount, self._numbers[key]))

    def _write(self, records: Sequence[Record]) -> None:
        query = """
            INSERT INTO records (collector, id, created_at, in_flight, adds, part_of) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (collector, id) DO UPDATE SET created_at = excluded.created_at,
            in_flight = excluded.in_flight, adds = excluded.adds, part_of = excluded.part_of"""
        rows = [
            (self._collector, one.id, one.created_at, one.in_flight, self._encode(one.adds), one.part_of)
            for one in records
        ]
        self._db.executemany(query, rows)

    def _delete(self, ids: Sequence[str]) -> None:
        query = "DELETE FROM records WHERE collector = ? AND id = ?"
        self._db.executemany(query, [(self._collector, one) for one in ids])

    def _encode(self, adds: Mapping[Key, int]) -> str:
        return " ".join(f"{self._numbers[key]}:{amount}" for key, amount in adds.items())

    def _decode(self, adds: str) -> Mapping[Key, int]:
        pairs = (one.split(":") for one in adds.split())
        return {self._keys[int(number)]: int(amount) for number, amount in pairs}
