"""A state file that is damaged: reported in one way wherever it shows, and never overwritten."""

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Record, StateError
from exporter.state import Observation, State, prepared, problem
from tests.support.properties import examples

RULES = Rules(frozenset({"c"}), outcomes={"c": (1, frozenset({"failed"}))})
DAMAGED = "is damaged"
WAY_OUT = "stop the exporter, move it away with its -wal and -shm, and start again"
MESSAGES = (DAMAGED, "is a database of another program", "was written by a newer version", "another batch-exporter")
PAGE = 4096


def fill(state: State, first: int, count: int = 300) -> None:
    with state.records("prod", "x", RULES) as records:
        seen = [
            Record(f"rb_{n}", float(n), n % 3 == 0, {("c", "failed"): 1, ("g", str(n % 7)): 2}, f"wb_{n % 5}")
            for n in range(first, first + count)
        ]
        records.apply(seen, Observation(1.0, 0.0))


def poll(state: State) -> None:
    """Do all that a poll does with a state: read all of it, and write."""
    with state.records("prod", "x", RULES) as records:
        records.sums()
        records.failures.all()
        records.in_flight(0.0)
        records.between(0.0, 1e9)
        records.get([f"rb_{n}" for n in range(700)])
        records.stuck_before(100.0)
        records.finished_before(100.0, 50)
    fill(state, 650, 20)


def outcome(path: Path) -> str:
    """Return the message of the first of two polls with this file that fails; nothing if both succeed."""
    try:
        with prepared(path) as state:
            poll(state)
            poll(state)
    except StateError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state as a killed program leaves it: part of it is in the write-ahead log."""
    folder = tmp_path_factory.mktemp("whole")
    with prepared(folder / "state.db") as state:
        fill(state, 0)
    with prepared(folder / "state.db") as state:
        fill(state, 300)
        copy = tmp_path_factory.mktemp("killed")
        for path in folder.iterdir():
            shutil.copy(path, copy)
    return copy


def copied(whole: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    return folder / "state.db"


def truncated(share: float) -> Callable[[bytearray], bytes]:
    return lambda data: bytes(data[: int(len(data) * share)])


def overwritten(share: float, with_: bytes) -> Callable[[bytearray], bytes]:
    def damage(data: bytearray) -> bytes:
        at = int(len(data) * share)
        data[at : at + len(with_)] = with_[: len(data) - at]
        return bytes(data)

    return damage


shares = st.floats(0, 1, exclude_max=True)
damages = st.one_of(
    shares.map(truncated),
    st.builds(overwritten, shares, st.binary(min_size=1, max_size=1)),
    st.builds(overwritten, shares, st.binary(min_size=1, max_size=64)),
    st.builds(lambda share, fill: overwritten(share, fill * PAGE), shares, st.binary(min_size=1, max_size=1)),
    st.builds(lambda share, seed: overwritten(share, (seed * PAGE)[:PAGE]), shares, st.binary(min_size=7, max_size=7)),
)


@example(damage=overwritten(0.04917304181545213, b"\x00\x00\x80"), name="state.db", without_log=True)
@given(damages, st.sampled_from(["state.db", "state.db-wal", "state.db-shm"]), st.booleans())
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_damaged_costs_a_message_and_no_traceback(
    whole: Path, tmp_path: Path, damage: Callable[[bytearray], bytes], name: str, without_log: bool
) -> None:
    path = copied(whole, tmp_path / "state")
    if without_log:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
    victim = path.with_name(name)
    if victim.exists():
        victim.write_bytes(damage(bytearray(victim.read_bytes())))
    found = outcome(path)
    assert not found or (str(path) in found and any(message in found for message in MESSAGES)), found


@pytest.mark.parametrize(
    "damage",
    [
        truncated(0.5),
        overwritten(0, bytes(10**6)),
        overwritten(0.3, b"garbage!" * 10**5),
        overwritten(0.9, b"\xff" * 10**5),
        lambda _: b"not a database at all" * 100,
    ],
    ids=["cut-in-half", "zeroed", "garbage", "garbage-late", "text"],
)
def test_damage_is_said_in_one_way_at_the_start_and_in_a_poll_and_changes_nothing(
    whole: Path, tmp_path: Path, damage: Callable[[bytearray], bytes]
) -> None:
    path = copied(whole, tmp_path / "state")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    path.write_bytes(damage(bytearray(path.read_bytes())))
    before = path.read_bytes()
    with pytest.raises(StateError, match=f"{DAMAGED}.*{WAY_OUT}") as caught, prepared(path) as state:
        poll(state)
    assert not caught.value.passing
    assert path.read_bytes() == before


def test_damage_that_comes_while_it_runs_is_said_in_the_same_way(whole: Path, tmp_path: Path) -> None:
    path = copied(whole, tmp_path / "state")
    with prepared(path) as state:
        poll(state)
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(PAGE)
            file.write(b"garbage!" * 10**4)
        with pytest.raises(StateError, match=f"{DAMAGED}.*{WAY_OUT}"):
            poll(state)


@pytest.mark.parametrize(
    ("table", "column"), [("collectors", "marks"), ("series", "cause"), ("records", "adds"), ("failures", "amounts")]
)
@pytest.mark.parametrize("content", ["", "{", "[1, 2", "nonsense", "{}x", '{"a": 1}', b"\xff\xfe", 7])
def test_content_that_is_not_as_it_was_written_is_damage(
    whole: Path, tmp_path: Path, table: str, column: str, content: object
) -> None:
    path = copied(whole, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"UPDATE {table} SET {column} = ?", (content,))  # noqa: S608
    assert not (found := outcome(path)) or DAMAGED in found


@pytest.mark.parametrize(("table", "column"), [("records", "adds"), ("failures", "amounts"), ("series", "key")])
def test_a_number_where_text_was_written_is_damage(whole: Path, tmp_path: Path, table: str, column: str) -> None:
    """One bit of a row says which type a value has. SQLite itself would convert the number to text."""
    path = copied(whole, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        declared = f"UPDATE sqlite_master SET sql = replace(sql, '{column} TEXT', '{column}') WHERE name = ?"  # noqa: S608
        database.execute(declared, (table,))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"UPDATE OR IGNORE {table} SET {column} = 7")  # noqa: S608
        kinds = database.execute(f"SELECT DISTINCT typeof({column}) FROM {table}").fetchall()  # noqa: S608
        assert ("integer",) in kinds
    assert DAMAGED in outcome(path)


def test_no_part_of_a_page_can_be_missing_without_a_message(whole: Path, tmp_path: Path) -> None:
    """SQLite finds no rows in such an index, and no error either."""
    path = copied(whole, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        roots = database.execute("SELECT name, rootpage FROM sqlite_master").fetchall()
    content = path.read_bytes()
    assert {"records_by_time", "records_in_flight"} <= {name for name, _ in roots}
    for name, root in roots:
        first, last = (root - 1) * PAGE + 8, root * PAGE - 600
        path.write_bytes(content[:first] + bytes(last - first) + content[last:])
        assert DAMAGED in outcome(path), name


def test_a_collector_that_is_not_where_it_is_looked_for_does_not_begin_anew(whole: Path, tmp_path: Path) -> None:
    name = b"prodx"
    path = copied(whole, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    content = path.read_bytes()
    places = [place for place in range(len(content)) if content.startswith(name, place)]
    assert len(places) >= 2, "in the table, and in its index"
    for place in places:
        path.write_bytes(content[:place] + b"q" + content[place + 1 :])
        assert DAMAGED in outcome(path)


@pytest.mark.parametrize(
    "schema", [b"\x0e", b"CREATE TABLE x \x1b[2J", b"CREATE TABLE \xec\xff(", b"CREATE\nnonsense\n", b"x" * 5_000]
)
def test_what_sqlite_quotes_of_a_damaged_file_fits_on_one_line_of_a_terminal(
    whole: Path, tmp_path: Path, schema: bytes
) -> None:
    path = copied(whole, tmp_path / "state")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = CAST(?1 AS TEXT), name = name || CAST(?1 AS TEXT)", (schema,))
    for message in (outcome(path), str(problem(path))):
        assert DAMAGED in message
        assert message.isprintable()
        assert len(message) < 600


def test_an_empty_file_with_a_log_is_not_started_over(whole: Path, tmp_path: Path) -> None:
    path = copied(whole, tmp_path / "state")
    log = path.with_name("state.db-wal").read_bytes()
    for make in (lambda: path.write_bytes(b""), path.unlink):
        make()
        with (
            pytest.raises(StateError, match=rf"{DAMAGED} \(it is empty or gone, but state.db-wal is not\)"),
            prepared(path),
        ):
            pass
        assert path.with_name("state.db-wal").read_bytes() == log


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, r"Is a directory \(see state.path\)"),
        (_loop, r"Too many levels of symbolic links \(see state.path\)"),
        (os.mkfifo, "it is not a regular file; choose another state.path"),
    ],
    ids=["folder", "loop", "pipe"],
)
def test_what_is_no_file_is_named(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / "state.db")
    with pytest.raises(StateError, match=message) as caught, prepared(tmp_path / "state.db"):
        pass
    assert not caught.value.passing


def _raising(error: Exception) -> Callable[..., object]:
    def call(*_: object) -> object:
        raise error

    return call


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO])
def test_a_lock_that_can_not_be_had_is_not_taken_for_another_exporter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(fcntl, "flock", _raising(OSError(number, os.strerror(number))))
    with pytest.raises(StateError, match=r"it can't be locked \(.*NFS") as caught, prepared(tmp_path / "state.db"):
        pass
    assert os.strerror(number) in str(caught.value)
    assert "another batch-exporter" not in str(caught.value)


def test_a_state_that_another_program_has_may_be_free_by_the_next_attempt(tmp_path: Path) -> None:
    with prepared(tmp_path / "state.db"), pytest.raises(StateError, match="another batch-exporter") as caught:
        prepared(tmp_path / "state.db").__enter__()
    assert caught.value.passing


@pytest.mark.parametrize(
    ("number", "message", "passing"),
    [
        (errno.ENOSPC, r"no room for it \(No space left on device\); make room on its volume", True),
        (errno.EACCES, "Permission denied", False),
        (errno.EROFS, "Read-only file system", False),
        (errno.EMFILE, "Too many open files", True),
    ],
)
def test_a_file_that_can_not_be_opened_is_said_with_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str, passing: bool
) -> None:
    monkeypatch.setattr(os, "open", _raising(OSError(number, os.strerror(number))))
    with pytest.raises(StateError, match=message) as caught, prepared(tmp_path / "state.db"):
        pass
    assert caught.value.passing is passing


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (sqlite3.SQLITE_FULL, "make room on its volume"),
        (sqlite3.SQLITE_READONLY, "let the exporter's user write"),
        (sqlite3.SQLITE_BUSY, "another program has locked it"),
        (sqlite3.SQLITE_IOERR_WRITE, "SQLite needs a local disk, not NFS"),
        (sqlite3.SQLITE_IOERR_SHORT_READ, DAMAGED),
        (sqlite3.SQLITE_CORRUPT, DAMAGED),
        (sqlite3.SQLITE_NOTADB, DAMAGED),
        (sqlite3.SQLITE_ERROR, DAMAGED),
    ],
)
def test_what_sqlite_says_becomes_what_to_do(tmp_path: Path, code: int, message: str) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    with (
        prepared(tmp_path / "state.db") as state,
        pytest.raises(StateError, match=message),
        state.records("prod", "x", RULES),
    ):
        raise error


@pytest.mark.parametrize("error", [ValueError("x"), TypeError("x"), sqlite3.ProgrammingError("x"), KeyError("x")])
def test_an_error_elsewhere_is_not_taken_for_damage(tmp_path: Path, error: Exception) -> None:
    with prepared(tmp_path / "state.db") as state:
        with pytest.raises(type(error)) as caught, state.records("prod", "x", RULES):
            raise error
        assert caught.value is error


def test_an_error_in_a_rule_that_the_state_calls_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with prepared(tmp_path / "state.db") as state:
        fill(state, 0)
        monkeypatch.setattr(accounting, "RECORDS", {})
        with pytest.raises(TypeError, match="unhashable"):
            fill(state, 300)


def test_without_a_folder_for_temporary_files_it_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", _raising(FileNotFoundError(errno.ENOENT, "No usable temporary directory")))
    with pytest.raises(StateError, match="set TMPDIR to a folder that can be written"), prepared(None):
        pass
