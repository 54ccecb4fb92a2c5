"""A state in a database: where its URL comes from, what goes together, and what is never shown."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.config import Config, ConfigError, DatabaseUrl, load
from exporter.model.record import StateError
from exporter.model.system import System
from exporter.state import postgres

Systems = Mapping[str, System]
Written = Callable[[str | bytes], Path]
ACCOUNTS = "accounts: [{name: a, system: inkit, api_token: T0-secret-1}]"
URL = "postgresql://user:CANARY@db:5432/x"


def loaded(written: Written, systems: Systems, state: str) -> Config:
    return load(written(f"state: {state}\n{ACCOUNTS}"), systems, {}, database=postgres.problem)


def problems(written: Written, systems: Systems, state: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(written, systems, state)
    assert "CANARY" not in str(caught.value) + repr(caught.value)
    return [str(problem).split(":", 2)[2].strip() for problem in caught.value.problems]


def test_a_url_takes_the_place_of_the_file(systems: Systems, written: Written) -> None:
    config = loaded(written, systems, f"{{url: '{URL}'}}")
    assert config.state_path is None
    assert config.database is not None
    assert (config.database.pool_size, config.database.lease_ttl, config.database.prepared_statements) == (4, 20, True)
    assert config.database.url.read() == URL
    assert config.database.url.shown() == "postgresql://db:5432/x"
    assert "CANARY" not in repr(config) + str(config)


def test_all_that_belongs_to_a_database_can_be_set(systems: Systems, written: Written) -> None:
    keys = "pool_size: 2, lease_ttl: 1m, prepared_statements: false, path: null"
    database = loaded(written, systems, f"{{url: '{URL}', {keys}}}").database
    assert database is not None
    assert (database.pool_size, database.lease_ttl, database.prepared_statements) == (2, 60, False)


def test_without_a_url_there_is_no_database(systems: Systems, written: Written) -> None:
    assert loaded(written, systems, "{path: x.db}").database is None
    assert loaded(written, systems, "{url: null, url_file: null}").database is None


def test_a_url_file_is_read_again_for_each_connection(systems: Systems, written: Written, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    config = loaded(written, systems, "{url_file: url}")
    assert config.database is not None
    assert config.database.url.read() == URL
    file.write_text("\ufeffpostgresql://other/y")
    assert config.database.url.read() == "postgresql://other/y"
    file.write_text("CANARY")
    with pytest.raises(StateError, match=r"^state\.url_file: must begin with postgresql://") as raised:
        config.database.url.read()
    assert raised.value.passing
    file.unlink()
    with pytest.raises(StateError, match=r"^state\.url_file: there is no such file$"):
        config.database.url.read()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (f"{{url: '{URL}', path: x.db}}", "state.url: the state is kept in one place: give one of path and url alone"),
        (
            f"{{url: '{URL}', url_file: x}}",
            "state.url_file: the state is kept in one place: give one of url and url_file alone",
        ),
        (
            "{url_file: x, path: x.db}",
            "state.url_file: the state is kept in one place: give one of path and url_file alone",
        ),
        ("{url: 'mysql://user:CANARY@db/x'}", "state.url: must begin with postgresql:// or postgres://"),
        ("{url: '${CANARY}'}", "state.url: must begin with postgresql:// or postgres://"),
        ("{url: 'postgresql://user:CANARY@db'}", "state.url: must name a database"),
        ("{url: 'postgresql://user:CAN@ARY@db/x'}", 'state.url: has more than one "@"'),
        ("{url: 'postgresql://db/x?CANARY=1'}", 'state.url: libpq does not know parameter 1 after the "?"'),
        ("{url: ''}", "state.url: must begin with"),
        ("{url: 5}", "state.url: "),
        ("{url_file: missing}", "state.url_file: there is no such file"),
        ("{url_file: wrong}", "state.url_file: must begin with postgresql:// or postgres://"),
        ("{url_file: unknown}", 'state.url_file: libpq does not know parameter 1 after the "?"'),
        ("{url_file: bytes}", "state.url_file: the file is not text in UTF-8"),
        ("{url_file: pipe}", "state.url_file: the file is not a regular file"),
        ("{url_file: .}", "state.url_file: it is a directory, not a file"),
        ("{pool_size: 4}", "state.pool_size: needs state.url or state.url_file, which are missing"),
        ("{path: x.db, lease_ttl: 20s}", "state.lease_ttl: needs state.url or state.url_file"),
        (f"{{url: '{URL}', pool_size: 0}}", "state.pool_size: "),
        (f"{{url: '{URL}', pool_size: 65}}", "state.pool_size: "),
        (f"{{url: '{URL}', lease_ttl: 7s}}", "state.lease_ttl: must be from 8s to 10m: a replica"),
        (f"{{url: '{URL}', lease_ttl: 11m}}", "state.lease_ttl: must be from 8s to 10m: a replica"),
        (f"{{url: '{URL}', prepared_statements: 1}}", "state.prepared_statements: "),
    ],
)
def test_what_is_wrong_is_one_problem_that_quotes_nothing(
    state: str, expected: str, systems: Systems, written: Written, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("CANARY")
    (tmp_path / "unknown").write_text("postgresql://u:CANARY@db/x?CANARY=1")
    (tmp_path / "bytes").write_bytes(b"postgresql://u:CANARY\xff@db/x")
    os.mkfifo(tmp_path / "pipe")
    (found,) = problems(written, systems, state)
    assert found.startswith(expected)


def test_a_url_file_that_every_user_can_read_is_a_warning(systems: Systems, written: Written, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL)
    (tmp_path / "url").chmod(0o644)
    (warning,) = loaded(written, systems, "{url_file: url}").warnings
    assert "state.url_file: every user of this machine can read the file" in str(warning)


def test_credentials_that_systemd_makes_later_are_not_missed(systems: Systems, written: Written) -> None:
    path = written(f"state: {{url_file: /run/credentials/none.service/url}}\n{ACCOUNTS}")
    (warning,) = load(path, systems, {}, before_start=True).warnings
    assert "state.url_file: not checked" in str(warning)
    with pytest.raises(ConfigError, match="no such file"):
        load(path, systems, {})


def test_another_url_is_another_database() -> None:
    assert DatabaseUrl(URL) == DatabaseUrl(URL)
    assert DatabaseUrl(URL) != DatabaseUrl(Path(URL))
    assert len({DatabaseUrl(URL), DatabaseUrl(URL)}) == 1
