"""Copying a whole state between a file and a real PostgreSQL: nothing changes, and nothing is lost if it is refused."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.record import StateError
from exporter.state import prepared
from exporter.state.checkpoint import Checkpoint
from exporter.state.postgres import tables as postgres_tables
from exporter.state.postgres.tables import PostgresTables
from exporter.state.sqlite import tables as sqlite_tables
from exporter.state.sqlite.tables import SqliteTables
from exporter.state.tables import TABLES, Digest, Row, Table, Tables, copy
from tests.support import postgres
from tests.support.properties import examples

pytestmark = pytest.mark.programs

Rows = Mapping[str, Sequence[Row]]

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TEXTS = st.one_of(st.none(), NAMES)
LARGE = st.integers(-(2**63), 2**63 - 1)
# SQLite keeps no negative zero.
TIMES = st.floats(allow_nan=False).map(lambda value: value + 0.0)
MARKS = st.builds(lambda scope, polled_at: Checkpoint(scope=scope, polled_at=polled_at).encode(), NAMES, TIMES)
VALUES: Mapping[str, Sequence[st.SearchStrategy[Any]]] = {
    "series": [LARGE, NAMES, LARGE, LARGE, LARGE, TEXTS, TEXTS, TEXTS, st.one_of(st.none(), LARGE)],
    "records": [NAMES, TIMES, st.sampled_from([0, 1, 2]), NAMES, TEXTS],
    "failures": [NAMES, LARGE, TIMES, TIMES, NAMES, TEXTS],
}


@st.composite
def states(draw: st.DrawFn) -> Rows:
    collectors = draw(st.lists(st.tuples(NAMES, NAMES), unique=True, max_size=3))
    found: dict[str, list[Row]] = {"collectors": [(*each, draw(MARKS)) for each in collectors]}
    for table, values in VALUES.items():
        rows = st.lists(st.tuples(*values), unique_by=lambda row: row[0], max_size=4)
        found[table] = [(*each, *row) for each in collectors for row in draw(rows)]
    return found


class Given:
    """Rows in memory, to copy from."""

    name = "given"

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def count(self, table: Table) -> int:
        return len(self._rows.get(table.name, ()))

    def rows(self, table: Table) -> Iterator[Row]:
        return iter(self._rows.get(table.name, ()))

    def write(self, table: Table, rows: object) -> None:
        raise NotImplementedError


def held(tables: Tables) -> dict[str, set[Row]]:
    return {table.name: set(tables.rows(table)) for table in TABLES}


def of_rows(rows: Rows) -> dict[str, set[Row]]:
    return {table.name: set(rows.get(table.name, ())) for table in TABLES}


ONE: Rows = {
    "collectors": [("a", "c", Checkpoint(polled_at=1.5).encode())],
    "series": [("a", "c", 1, '["f"]', 1, 2, 2, None, None, None, None)],
    "records": [("a", "c", "r", 0.1 + 0.2, 1, "1:1", None)],
    "failures": [("a", "c", "r", 1, 1.5, 2.5, "1:1", "letters")],
}


def to_file(path: Path) -> AbstractContextManager[SqliteTables]:
    return sqlite_tables.target(path)


def from_file(path: Path) -> AbstractContextManager[SqliteTables]:
    return sqlite_tables.source(path)


def to_database(url: str) -> AbstractContextManager[PostgresTables]:
    return postgres_tables.target(lambda: url, "postgresql://test")


def from_database(url: str) -> AbstractContextManager[PostgresTables]:
    return postgres_tables.source(lambda: url, "postgresql://test")


def execute(url: str, *statements: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return [connection.execute(statement.encode()) for statement in statements]


@pytest.fixture
def url() -> Iterator[str]:
    server = postgres.shared()
    name = server.database()
    yield server.url(name)
    server.drop(name)


def fill(target: AbstractContextManager[Tables], rows: Rows = ONE) -> None:
    with target as tables:
        copy(Given(rows), tables)


@settings(deadline=None, max_examples=examples(30))
@given(rows=states())
def test_there_and_back_changes_nothing(rows: Rows) -> None:
    url = postgres.prepared(Path("copied"))
    with contextlib.suppress(psycopg.errors.UndefinedTable):
        execute(url, "TRUNCATE collectors, series, records, failures")
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "1.db", Path(folder) / "2.db"
        fill(to_file(first), rows)
        with from_file(first) as source, to_database(url) as target:
            counts = copy(source, target)
        assert counts == {name: len(found) for name, found in of_rows(rows).items()}
        with from_database(url) as source, to_file(second) as target:
            assert held(source) == of_rows(rows)
            copy(source, target)
        with from_file(second) as copied:
            assert held(copied) == of_rows(rows)


@given(rows=st.lists(st.tuples(NAMES, LARGE, TIMES), max_size=5), data=st.data())
def test_a_digest_depends_on_the_rows_and_not_on_their_order(rows: list[Row], data: st.DataObject) -> None:
    def digest(of: Sequence[Row]) -> Digest:
        made = Digest()
        for row in of:
            made.add(row)
        return made

    assert digest(rows) == digest(data.draw(st.permutations(rows)))
    other = data.draw(st.lists(st.tuples(NAMES, LARGE, TIMES), max_size=5))
    assert (digest(rows) == digest(other)) == (sorted(rows) == sorted(other))


def test_a_database_that_does_not_keep_what_is_written_gets_nothing(url: str, tmp_path: Path) -> None:
    fill(to_file(tmp_path / "s.db"))
    fill(to_database(url), {})
    trigger = "CREATE FUNCTION f() RETURNS trigger AS 'BEGIN NEW.total = 7; RETURN NEW; END' LANGUAGE plpgsql"
    execute(url, trigger, "CREATE TRIGGER t BEFORE INSERT ON series FOR EACH ROW EXECUTE FUNCTION f()")
    with (
        pytest.raises(StateError, match="its series are not those that were written"),
        from_file(tmp_path / "s.db") as source,
        to_database(url) as target,
    ):
        copy(source, target)
    with from_database(url) as tables:
        assert held(tables) == of_rows({})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_target_that_holds_anything_is_refused_and_keeps_it(table: Table, url: str, tmp_path: Path) -> None:
    half = {name: rows for name, rows in ONE.items() if name in ("collectors", table.name)}
    path = tmp_path / "half.db"
    opening: list[tuple[Callable[[], AbstractContextManager[Tables]], Callable[[], AbstractContextManager[Tables]]]] = [
        (lambda: to_file(path), lambda: from_file(path)),
        (lambda: to_database(url), lambda: from_database(url)),
    ]
    for target, source in opening:
        fill(target(), half)
        with pytest.raises(StateError, match="it is not empty") as caught:
            fill(target())
        assert not caught.value.passing
        with source() as tables:
            assert held(tables) == of_rows(half)


def test_a_live_replica_keeps_the_database_for_itself(url: str, tmp_path: Path) -> None:
    fill(to_database(url))
    execute(
        url,
        "INSERT INTO replicas (holder, expires_at, joined_at, config_since)"
        " VALUES ('host-1', now() + interval '20 s', now(), now())",
    )
    for opened in (to_database, from_database):
        with pytest.raises(StateError, match=r"replicas are live on it: .* \(host-1\)") as caught, opened(url):
            pass
        assert caught.value.passing
    execute(url, "UPDATE replicas SET expires_at = now()")
    with from_database(url) as tables:
        assert held(tables) == of_rows(ONE)


def test_no_replica_can_begin_while_a_database_is_copied(url: str) -> None:
    fill(to_database(url))
    for opened in (from_database, to_database):
        execute(url, "TRUNCATE collectors, series, records, failures")
        with opened(url), psycopg.connect(url, options="-c lock_timeout=50ms") as other:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(
                    "INSERT INTO replicas (holder, expires_at, joined_at, config_since)"
                    " VALUES ('x', now(), now(), now())"
                )
            other.rollback()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute("INSERT INTO collectors (account, collector) VALUES ('x', 'x')")


def test_a_running_exporter_keeps_its_file_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(to_file(path))
    with prepared(path):
        for opened in (from_file, to_file):
            with pytest.raises(StateError, match="another batch-exporter is using it") as caught, opened(path):
                pass
            assert caught.value.passing


def test_a_source_that_is_not_there_is_not_made(url: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no such file"), from_file(tmp_path / "s.db"):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StateError, match="it has no state"), from_database(url):
        pass
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('meta')").fetchone() == (None,)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE collectors SET marks = '{\"polled_at\":'",
        "UPDATE series SET total = 'many'",
        "UPDATE records SET state = 3",
        "UPDATE records SET id = x'ff'",
        "UPDATE failures SET amounts = x'00'",
    ],
)
def test_a_damaged_file_is_refused_and_nothing_is_copied(change: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(to_file(path))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    before = path.read_bytes()
    with pytest.raises(StateError, match="damaged"), from_file(path) as source, to_database(url) as target:
        copy(source, target)
    with from_database(url) as tables:
        assert held(tables) == of_rows({})
    assert path.read_bytes() == before


def test_pages_that_are_damaged_are_found_before_anything_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(to_file(path), {**ONE, "records": [("a", "c", f"r{n}", 1.0, 0, "1:1", None) for n in range(500)]})
    content = bytearray(path.read_bytes())
    content[-8192:] = b"\xff" * 8192
    path.write_bytes(content)
    with pytest.raises(StateError, match="damaged"), from_file(path):
        pass


def test_text_that_only_sqlite_can_keep_is_refused(url: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(to_file(path), {**ONE, "records": [("a", "c", "r\0", 1.0, 0, "1:1", None)]})
    with pytest.raises(StateError, match="NUL"), from_file(path) as source, to_database(url) as target:
        copy(source, target)
    with from_database(url) as tables:
        assert held(tables) == of_rows({})


def test_a_state_of_a_newer_version_is_refused_in_both_roles(url: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    fill(to_file(path))
    fill(to_database(url))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    execute(url, "UPDATE meta SET version = 99, min_reader = 99")
    for opened in (
        lambda: from_file(path),
        lambda: to_file(path),
        lambda: from_database(url),
        lambda: to_database(url),
    ):
        with pytest.raises(StateError, match="newer version"), opened():
            pass
