"""Look into a state file without creating, locking or changing anything, also while an exporter uses it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from exporter.model.record import StateError
from exporter.state.overview import CollectorOverview, Overview, last_poll
from exporter.state.rows import DELETED, FINISHED, IN_FLIGHT
from exporter.state.sqlite.check import header_problem
from exporter.state.sqlite.connection import sizes, uri
from exporter.state.sqlite.damage import understanding
from exporter.state.sqlite.files import beside

_WITH_FAILURES = 3
"""The version of the tables from which on failures are kept."""

_COUNTED = """
SELECT c.account, c.collector,
  (SELECT count(*) FROM records r WHERE r.collector = c.id AND r.state = ?),
  (SELECT count(*) FROM records r WHERE r.collector = c.id AND r.state = ?),
  (SELECT count(*) FROM records r WHERE r.collector = c.id AND r.state = ?),
  (SELECT count(*) FROM series s WHERE s.collector = c.id),
  {failures}, c.marks
FROM collectors c ORDER BY c.account, c.collector
"""
_FAILURES = "(SELECT count(*) FROM failures f WHERE f.collector = c.id)"


def overview(path: Path) -> Overview:
    """Return what the file holds. Raises StateError if it can't be read, is damaged or is of a newer version."""
    with understanding(path):
        size = path.stat().st_size
        # Beside an open file there is a log, perhaps an empty one. Without it, SQLite would make files of its own.
        mode = "mode=ro" if beside(path, "-wal").exists() else "mode=ro&immutable=1"
        with closing(sqlite3.connect(uri(path, mode), uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            version = _version(path, connection, size)
            query = _COUNTED.format(failures=_FAILURES if version >= _WITH_FAILURES else "0")
            found = connection.execute(query, (FINISHED, IN_FLIGHT, DELETED)).fetchall() if version else []
    collectors = [CollectorOverview._make([*row[:-1], last_poll(row[-1]), None]) for row in found]
    return Overview(str(path), version, sum(sizes(path) or (size,)), collectors)


def _version(path: Path, connection: sqlite3.Connection, size: int) -> int:
    """Return the version of the tables, 0 for an empty file. Raises StateError."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    problem = header_problem(owner, version) if size or version else None
    if problem is not None:
        raise StateError(f"state file {path}: {problem}")
    return int(version)
