"""The database: its tables, what it refuses to use, and the errors for the operator."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import trustme

from exporter.model.accounting import Rules
from exporter.model.database_url import shown
from exporter.model.record import Refused, StateError
from exporter.state.postgres import database as database_module
from exporter.state.postgres.connection import patient
from exporter.state.postgres.database import Fences, PostgresState, opened
from exporter.state.postgres.errors import unavailable
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.schema import VERSION
from tests.support import certificates
from tests.support.canaries import canary, holds
from tests.support.postgres import Server, running
from tests.support.state_file import counted, write

pytestmark = pytest.mark.programs

RULES = Rules(frozenset({"c"}))


def state_of(url: str, fences: Fences | None = None) -> "contextlib.AbstractContextManager[PostgresState]":
    return opened(lambda: url, shown(url), pool_size=1, fences=fences)


def count(url: str, name: str) -> int:
    with state_of(url) as state:
        with state.records("prod", "x", RULES) as records:
            write(records, name)
        return counted(state, "x")


def refused(url: str) -> StateError:
    with state_of(url) as state, pytest.raises(StateError) as raised, state.records("prod", "x", RULES):
        pass
    assert str(raised.value).startswith(f"state database {shown(url)}: ")
    return raised.value


def what(url: str) -> str:
    return str(refused(url)).removeprefix(f"state database {shown(url)}: ")


def test_an_empty_database_gets_the_tables_and_keeps_what_is_counted(postgres: Server, database: str) -> None:
    assert count(postgres.url(database), "a") == 1
    assert count(postgres.url(database), "b") == 2


def test_a_long_transaction_does_not_wait_in_the_server_forever_once_its_program_has_gone(
    postgres: Server, database: str
) -> None:
    def limit(connection: Connection) -> int:
        with patient(connection):
            query = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
            return int(connection.execute(query).fetchall()[0][0])

    with state_of(postgres.url(database)) as state:
        assert 60_000 < state.pool.submit(limit).result() <= 120_000


def test_programs_that_start_at_once_make_the_tables_once(postgres: Server, database: str) -> None:
    with contextlib.ExitStack() as stack:
        states = [stack.enter_context(state_of(postgres.url(database))) for _ in range(6)]
        with ThreadPoolExecutor(6) as threads:
            for done in [threads.submit(state.prepare) for state in states]:
                done.result()
    with postgres.admin(database) as connection:
        assert connection.execute("SELECT count(*), max(version) FROM meta").fetchone() == (1, VERSION)


def test_a_user_who_owns_nothing_may_use_tables_that_are_there(postgres: Server, database: str) -> None:
    count(postgres.url(database), "a")
    privileges = f"""DROP ROLE IF EXISTS {database}_user; CREATE ROLE {database}_user LOGIN;
        GRANT SELECT, INSERT, UPDATE, DELETE ON collectors, series, records, failures, replicas, leases
        TO {database}_user; GRANT SELECT ON meta TO {database}_user"""
    postgres.execute(database, privileges)
    assert count(postgres.url(database, f"{database}_user"), "b") == 2


def test_tables_of_another_program_are_left_alone(postgres: Server, database: str) -> None:
    postgres.execute(database, "CREATE TABLE records (id int); CREATE TABLE series (id int)")
    error = refused(postgres.url(database))
    assert "it has tables of another program (records, series): give the exporter a database" in str(error)
    assert not error.passing
    postgres.execute(database, "CREATE TABLE meta (program text, version int, min_reader int)")
    assert "tables of another program (meta, records, series)" in what(postgres.url(database))
    with postgres.admin(database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert tables.fetchone() == (3,)


def test_other_tables_do_not_matter_and_a_schema_of_its_own_may_be_named(postgres: Server, database: str) -> None:
    postgres.execute(database, "CREATE TABLE orders (id int); CREATE TABLE records (id int); CREATE SCHEMA exporter")
    url = f"{postgres.url(database)}&options=-c%20search_path%3Dexporter"
    assert count(url, "a") == 1
    with postgres.admin(database) as connection:
        assert connection.execute("SELECT count(*) FROM exporter.records").fetchone() == (1,)


def test_tables_of_a_newer_version_are_refused_unless_they_say_otherwise(postgres: Server, database: str) -> None:
    count(postgres.url(database), "a")
    postgres.execute(database, "UPDATE meta SET version = version + 5")
    assert count(postgres.url(database), "b") == 2
    postgres.execute(database, "UPDATE meta SET min_reader = version")
    error = refused(postgres.url(database))
    newer = f"it was written by a newer version of this program (schema {VERSION + 5}, known {VERSION})"
    assert newer in str(error)
    assert not error.passing


def test_an_encoding_that_lacks_characters_is_refused(postgres: Server) -> None:
    name = postgres.database("ENCODING 'LATIN1' TEMPLATE template0")
    assert "its encoding is not UTF8" in what(postgres.url(name))
    postgres.drop(name)


def test_collectors_that_are_read_ahead_are_opened_without_a_question(postgres: Server, database: str) -> None:
    took: list[float] = []
    url = postgres.url(database)
    names = [("prod", "x"), ("prod", "new"), ("other", "new")]
    with opened(lambda: url, "the database", 1, observe=took.append) as state:
        with state.records("prod", "x", RULES) as records:
            write(records, "a")
        for _ in range(2):
            with state.ahead(names):
                asked = len(took)
                for account, collector in names:
                    with state.records(account, collector, RULES) as records:
                        assert list(records.failures.all()) == []
                        assert len(records.sums().counters) == (collector == "x")
                assert len(took) == asked
            with state.records("prod", "x", RULES) as records:
                write(records, "b")
        assert counted(state, "x") == 2


def test_what_was_read_ahead_is_not_used_later(postgres: Server, database: str) -> None:
    with state_of(postgres.url(database)) as state, state_of(postgres.url(database)) as other:
        with state.ahead([("prod", "x")]):
            pass
        with other.records("prod", "x", RULES) as records:
            write(records, "a")
        assert counted(state, "x") == 1


def test_what_can_not_be_read_ahead_is_read_one_by_one(
    postgres: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "AHEAD_SECONDS", 0.3)
    monkeypatch.setattr(database_module, "loading_all", lambda _: lambda to: to.execute("SELECT pg_sleep(60)"))
    with state_of(postgres.url(database)) as state:
        with state.records("prod", "x", RULES) as records:
            write(records, "a")
        with state.ahead([("prod", "x")]), state.records("prod", "x", RULES) as records:
            assert len(records.sums().counters) == 1


def test_an_account_that_is_not_owned_is_refused_without_a_question(postgres: Server) -> None:
    unowned = state_of(postgres.url("none"), fences=lambda account: None)
    with unowned as state, pytest.raises(Refused), state.records("prod", "x", RULES):
        pass


def test_rows_that_hold_something_else_are_damage(postgres: Server, database: str) -> None:
    count(postgres.url(database), "a")
    with postgres.admin(database) as connection:
        connection.execute("UPDATE collectors SET marks = %s", (canary("marks"),))
    error = refused(postgres.url(database))
    assert "its content can't be read (JSONDecodeError)" in str(error)
    assert not holds(str(error).encode(), "marks")


def test_a_mistake_elsewhere_is_not_taken_for_damage(postgres: Server, database: str) -> None:
    with state_of(postgres.url(database)) as state, pytest.raises(KeyError), state.records("prod", "x", RULES):
        raise KeyError("x")


def test_what_cannot_be_connected_to_is_named_with_the_fix(postgres: Server, database: str) -> None:
    postgres.execute(
        database,
        f"""CREATE ROLE {database}_reader LOGIN PASSWORD 'right';
        CREATE ROLE {database}_nobody PASSWORD 'right'; REVOKE CONNECT ON DATABASE {database} FROM public""",
    )
    reader, nobody = f"{database}_reader", f"{database}_nobody"
    assert "refuses the user or the password" in what(postgres.tcp_url(database, reader, "wrong"))
    assert "refuses the user or the password" in what(postgres.tcp_url(database, reader))
    assert "may not log in" in what(postgres.tcp_url(database, nobody, "right"))
    assert "may not connect to this database" in what(postgres.tcp_url(database, reader, "right"))
    assert "there is no such database" in what(postgres.url("none"))
    assert "there is no such user" in what(postgres.url(database, "none"))
    assert "does not offer TLS: set ssl = on" in what(f"{postgres.tcp_url(database)}?sslmode=require")
    assert "a value that libpq does not know" in what(f"{postgres.url(database)}&sslmode=wrong")
    assert "refuses a parameter" in what(f"{postgres.url(database)}&options=-c%20wrong%3D1")
    assert "nothing answers there" in what("postgresql://u@127.0.0.1:1/x")
    assert "nothing answers there" in what("postgresql://u@/x?host=/nowhere")
    assert "can't be resolved" in what("postgresql://u@nowhere.invalid/x")


def test_what_else_tls_says_is_a_failure_of_tls() -> None:
    error = psycopg.OperationalError("connection failed: SSL error: unsupported protocol")
    assert "TLS failed: check sslmode and sslrootcert" in str(unavailable("postgresql://db/x", error))


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the authority of the server's certificate, and with another one."""
    folder = tmp_path_factory.mktemp("authorities")
    certificates.make(folder)
    trustme.CA().cert_pem.write_to_path(folder / "another.pem")
    return folder


@pytest.fixture(scope="module")
def encrypted(authorities: Path) -> Iterator[Server]:
    files = {name: (authorities / name).read_bytes() for name in ("server.pem", "server.key")}
    with running("ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key", files=files) as server:
        yield server


def encrypted_url(server: Server, host: str, name: str, authority: Path) -> str:
    url = server.tcp_url(name, password="superuser-password").replace("@127.0.0.1:", f"@{host}:")
    return f"{url}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority}"


def test_a_state_is_kept_by_tls_with_a_verified_certificate(encrypted: Server, authorities: Path) -> None:
    url = encrypted_url(encrypted, "localhost", encrypted.database(), authorities / "ca.pem")
    assert count(url, "a") == 1
    with state_of(url) as state:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert state.pool.submit(lambda connection: connection.execute(query).fetchall()).result() == [(True,)]


@pytest.mark.parametrize(
    ("host", "authority", "message"),
    [
        ("localhost", "another.pem", "its certificate is of no authority in sslrootcert, or has expired"),
        ("localhost", "system", "its certificate is of no authority in sslrootcert, or has expired"),
        ("localhost", "none.pem", "there is no file of authorities: check sslrootcert"),
        ("db.example", "ca.pem", "its certificate is for another name"),
    ],
)
def test_a_certificate_that_can_not_be_trusted_is_named_with_the_fix(
    encrypted: Server, authorities: Path, host: str, authority: str, message: str
) -> None:
    root = Path("system") if authority == "system" else authorities / authority
    error = refused(encrypted_url(encrypted, host, "postgres", root))
    assert message in str(error)
    assert not error.passing


def test_what_a_statement_is_refused_for_is_named_with_the_fix(postgres: Server, database: str) -> None:
    postgres.execute(database, f"CREATE ROLE {database}_reader LOGIN")
    reader = postgres.url(database, f"{database}_reader")
    assert "the user lacks a privilege" in what(reader)
    count(postgres.url(database), "a")
    assert "the user lacks a privilege" in what(reader)
    postgres.execute(
        database,
        f"""CREATE ROLE {database}_standby LOGIN SUPERUSER;
        ALTER ROLE {database}_standby SET default_transaction_read_only = on""",
    )
    standby = postgres.url(database, f"{database}_standby")
    assert "a standby or read-only" in what(standby)
    with pytest.raises(StateError, match=r"a standby or read-only.*\(SQLSTATE 25006\)"):
        count(f"{standby}&target_session_attrs=any", "b")
    postgres.execute(database, "DROP TABLE series")
    assert "a table is missing" in what(postgres.url(database))


def test_a_cut_connection_fails_one_poll_at_most(postgres: Server, database: str) -> None:
    with state_of(postgres.url(database)) as state:
        with state.records("prod", "x", RULES) as records:
            write(records, "a")
        cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'batch-exporter'"
        postgres.execute(database, cut)
        assert counted(state, "x") == 1
        kill = state.pool.submit(lambda connection: connection.execute(cut.encode()))
        with pytest.raises(StateError) as raised:
            kill.result()
        assert raised.value.passing
        assert counted(state, "x") == 1


def test_a_statement_that_waits_for_a_lock_ends_and_leaves_nothing_on_the_server(
    postgres: Server, database: str
) -> None:
    count(postgres.url(database), "a")
    with postgres.admin(database) as other, state_of(postgres.url(database)) as state:
        state.prepare()
        other.execute("BEGIN")
        other.execute("LOCK TABLE collectors")
        with pytest.raises(StateError, match="no answer within 4 s") as raised:
            counted(state, "x")
        assert raised.value.passing
        other.execute("ROLLBACK")
        assert counted(state, "x") == 1


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("temp_file_limit=64kB", "max_connections=5", "superuser_reserved_connections=0") as server:
        yield server


def test_a_server_without_room_is_named(small: Server) -> None:
    name = small.database()
    small.execute(name, f"CREATE ROLE small LOGIN; ALTER DATABASE {name} OWNER TO small")
    url = small.url(name, "small")
    count(url, "a")
    query = b"SELECT max(t) FROM (SELECT repeat('x', 500) || n AS t FROM generate_series(1, 50000) n ORDER BY 1) q"
    with state_of(url) as state:
        sorting = state.pool.submit(lambda connection: connection.execute(query))
        with pytest.raises(StateError, match=r"its disk, memory or quota does not suffice.*\(SQLSTATE 53400\)"):
            sorting.result()
    with contextlib.ExitStack() as stack:
        held = 0
        while held < 5:
            # The server may not have noticed yet that others have gone.
            try:
                stack.enter_context(contextlib.closing(psycopg.connect(small.url())))
                held += 1
            except psycopg.OperationalError:
                time.sleep(0.01)
        assert "it has no connection left" in what(url)


NO_ROOM = r"its disk is full: make room.*53100|its disk can't be read or written.*58030"
"""PostgreSQL 16 and newer take a file that may not grow for a disk that fails."""
LARGEST_FILE = 2 * 1024 * 1024 + 4096
"""No multiple of a page: the last one of a file is written in part, as on a disk that is full."""


def fill(connection: Connection) -> None:
    """Fill the table of records to the last gap in its pages, long before its indexes are full."""
    query = "INSERT INTO records SELECT 0, gen_random_uuid(), 0, 0, repeat('x', %s), '' FROM generate_series(1, %s)"
    for length, count in ((1900, 100), (1900, 1), (200, 10), (200, 1), (0, 10), (0, 1)):
        with contextlib.suppress(psycopg.errors.DiskFull, psycopg.errors.IoError):
            while True:
                connection.execute(query, (length, count))


def test_what_a_full_disk_refuses_is_counted_once_when_there_is_room() -> None:
    with running("autovacuum=off", largest_file=LARGEST_FILE) as server:
        name = server.database()
        url = server.url(name)
        assert count(url, "a") == 1
        with server.admin(name) as connection:
            fill(connection)
        for _ in range(2):
            with pytest.raises(StateError, match=NO_ROOM) as raised:
                count(url, "b")
            assert raised.value.passing
        with state_of(url) as state:
            assert counted(state, "x") == 1
        with server.admin(name) as connection:
            connection.execute("DELETE FROM records WHERE collector = 0")
            connection.execute("VACUUM records")
        assert count(url, "b") == 2


CANARIES = ("user", "password", "option", "parameter")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://{user}:{password}@127.0.0.1:1/x?application_name={parameter}",
        "postgresql://{user}:{password}%0A{password}@127.0.0.1:1/x?options=-c%20{option}%3D1",
        "postgresql://127.0.0.1:1/x?user={user}&password={password}&sslpassword={parameter}",
        "postgresql://{user}:{password}@/x?host=/nowhere&options={option}",
        "postgresql://{user}:{password}@nowhere.invalid/x",
        "{tcp}&options=-c%20{option}%3D{parameter}",
        "{tcp}&sslmode={parameter}",
        "{tcp}&application_name={parameter}",
        "{tcp}&sslmode=require&sslrootcert=/{parameter}",
        "{tcp}&passfile=/{parameter}",
    ],
)
def test_no_error_holds_what_the_url_holds(
    postgres: Server, database: str, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    names = {name: canary(name) for name in CANARIES}
    tcp = f"{postgres.tcp_url(database, names['user'], names['password'])}?connect_timeout=9"
    error = refused(url.format(tcp=tcp, **names))
    told = "\n".join([str(error), repr(error), caplog.text])
    assert [name for name in CANARIES if holds(told.encode(), name)] == []
