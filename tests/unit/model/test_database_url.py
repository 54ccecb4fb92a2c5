"""URLs of databases: which are accepted, what of them is shown, and that nothing else ever is."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from exporter.model.database_url import problem, shown
from exporter.state import postgres
from tests.support.canaries import canary, holds


@pytest.mark.parametrize(
    ("url", "as_shown"),
    [
        ("postgresql://u:p@db/x", "postgresql://db/x"),
        ("postgres://u:p@db.example:5433/x?sslmode=require", "postgres://db.example:5433/x"),
        ("postgresql://db/x", "postgresql://db/x"),
        ("postgresql://u:p@[::1]:5432/x", "postgresql://[::1]:5432/x"),
        ("postgresql://u:p@a:1,b:2/x?target_session_attrs=any", "postgresql://a:1,b:2/x"),
        ("postgresql://u:p%40%2F%3A@db/x", "postgresql://db/x"),
        ("postgresql://u:p?a#b@db/x", "postgresql://db/x"),
        ("postgresql://u@/x?host=/run/postgresql&port=5433", "postgresql://%2Frun%2Fpostgresql:5433/x"),
        ("postgresql:///x?host=db&user=u&password=p", "postgresql://db/x"),
        ("postgresql://%2Frun%2Fpostgresql/x", "postgresql://%2Frun%2Fpostgresql/x"),
        ("postgresql://u@ignored/x?host=db&dbname=y", "postgresql://db/y"),
        ("postgresql://db/my%20database", "postgresql://db/my%20database"),
    ],
)
def test_host_port_and_database_are_shown(url: str, as_shown: str) -> None:
    assert problem(url) is None
    assert shown(url) == as_shown
    assert postgres.problem(url) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must begin with postgresql://"),
        ("mysql://u:p@db/x", "must begin with postgresql://"),
        ("POSTGRESQL://db/x", "must begin with postgresql://"),
        ("$DATABASE_URL", "variables are not expanded"),
        ("host=db dbname=x password=p", "must begin with postgresql://"),
        ("postgresql://u:p\n@db/x", "another character that a URL can't have"),
        ("postgresql://u:p p@db/x", "another character that a URL can't have"),
        ("postgresql://u:p\u00e4@db/x", "another character that a URL can't have"),
        ("postgresql://u:100%@db/x", 'write "%" itself as %25'),
        ("postgresql://u:p%00@db/x", '"%00"'),
        ("postgresql://u:p@ss@db/x", 'more than one "@"'),
        ("postgresql://u:p/ss@db/x", 'more than one "@"'),
        ("postgresql://u:p/ss", "must have a port from 1 to 65535, or none: in a user name or password"),
        ("postgresql://u:1/2@db/x", 'more than one "@" or "/"'),
        ("postgresql://db", "must name a database"),
        ("postgresql://db/", "must name a database"),
        ("postgresql:///x", "must name a host"),
        ("postgresql://u:p@/x", "must name a host"),
        ("postgresql://a,/x", "must name a host"),
        ("postgresql://d b/x", "another character that a URL can't have"),
        ("postgresql://d!b/x", "must have a valid host"),
        ("postgresql:///x?host=d!b", "must have a valid host"),
        # libpq reads to the "]", and would connect to another host than the one that is shown.
        ("postgresql://r,[3/x?p=a:1,[::]:5/y", "must have a valid host"),
        ("postgresql://[3/x?host=db&p=[::]:5/y", "must have a valid host"),
        ("postgresql://a]/x", "must have a valid host"),
        ("postgresql://a[b]c/x", "must have a valid host"),
        ("postgresql://u:%dbname@db/x", "that are no UTF-8"),
        ("postgresql://u:a%C3b%A9@db/x", "that are no UTF-8"),
        ("postgresql://db/x?application_name=%FF", "that are no UTF-8"),
        ("postgresql://db:0/x", "must have a port"),
        ("postgresql://db:65536/x", "must have a port"),
        ("postgresql://db/x?port=0", "must have a port"),
        ("postgresql://db/a/b", 'more than one "@" or "/"'),
        ("postgresql://db/x%3Dy", "whose name has letters"),
        ("postgresql://db/x?dbname=postgresql%3A%2F%2Fu%3Ap%40db", "whose name has letters"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(url: str, message: str) -> None:
    assert message in str(problem(url))
    assert shown(url) in ("postgresql://", "postgres://")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://db/x?sslmod=require", 'libpq does not know parameter 1 after the "?"; did you mean "sslmode"?'),
        ("postgresql://db/x?sslmode=require&zzz=1", 'libpq does not know parameter 2 after the "?"'),
        ("postgresql://db/x?sslmode", "libpq can't read it"),
    ],
)
def test_what_libpq_refuses_is_named_and_not_quoted(url: str, message: str) -> None:
    assert problem(url) is None
    assert str(postgres.problem(url)).startswith(message)


_ESCAPES = ["%40", "%2F", "%00", "%db", "%C3", "%A9", "%ff"]
PIECES = st.sampled_from([*"@:/?#&=%,[]. \né", *_ESCAPES, "//", "host", "dbname", "password", "=", "x", "1"])
SECRET = canary("database.password")


@given(
    before=st.lists(PIECES, max_size=3).map("".join),
    after=st.lists(PIECES, max_size=3).map("".join),
    rest=st.sampled_from(["db/x", "db:5432/x?sslmode=require", "/x?host=/run", "a:1,b:2/x"]),
)
def test_whatever_stands_in_a_password_it_is_neither_shown_nor_quoted(before: str, after: str, rest: str) -> None:
    url = f"postgresql://user:{before}{SECRET}{after}@{rest}"
    told = f"{problem(url)} {shown(url)} {postgres.problem(url) if problem(url) is None else ''}"
    assert not holds(told.encode(), "database.password")


@given(
    credentials=st.sampled_from(["", "u@", "u:p@", "u:p%40@", "u:@", ":p@", "u:p?q#r&s=t@"]),
    hosts=st.sampled_from(["", "db", "db:5432", "a:1,b:2", "a,b:2", "[::1]:5", "[::1]", "%2Frun", "10.0.0.1"]),
    database=st.sampled_from(["", "x", "x%20y", "x_y-z.a"]),
    parameters=st.lists(
        st.sampled_from(
            ["host=/run", "host=db", "host=a,b", "host=::1", "hostaddr=1.2.3.4", "port=7", "port=7,8", "dbname=y"]
        ),
        max_size=3,
    ),
)
def test_what_is_shown_leads_to_the_same_database(
    credentials: str, hosts: str, database: str, parameters: list[str]
) -> None:
    url = f"postgresql://{credentials}{hosts}/{database}?{'&'.join(parameters)}"
    assume(problem(url) is None)
    read, as_shown = conninfo_to_dict(url), conninfo_to_dict(shown(url))
    ports = str(read.get("port") or "").split(",")
    names = str(read.get("host") or read.get("hostaddr")).split(",")
    assume(len(ports) in (1, len(names)))
    expected = ports * len(names) if len(ports) == 1 else ports
    assert as_shown["dbname"] == read["dbname"]
    assert str(as_shown["host"]).split(",") == names
    assert (str(as_shown.get("port") or "").split(",") * len(names))[: len(names)] == expected
    assert re.fullmatch(r"postgres(ql)?://[^@?#]*", shown(url))
