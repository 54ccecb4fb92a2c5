"""Check a database as the exporter would use it, without changing anything in it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from exporter.state.postgres.connection import connector
from exporter.state.postgres.errors import state_error
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.schema import TABLES, inspect
from exporter.state.postgres.tables import opened, understanding

_LEAST = 130000
"""PostgreSQL 13, as the server's `server_version_num`."""


class Found(NamedTuple):
    """What a usable database is like."""

    server: str
    """The version of PostgreSQL."""
    schema: int
    """The version of the exporter's tables; 0 if it has none yet."""
    live: int
    """How many replicas use it."""


def check(url: Callable[[], str], place: str, *, prepared_statements: bool) -> Found:
    """Connect as the exporter does, and return what is there. Raises StateError with the first problem and its fix."""
    with opened(connector(url, prepared_statements=prepared_statements), place) as connection, understanding(place):
        connection.execute("BEGIN READ ONLY")
        version, server, recovering = connection.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), pg_is_in_recovery()"
        ).fetchall()[0]
        if version < _LEAST:
            raise state_error(place, f"it is PostgreSQL {server}: PostgreSQL 13 or newer is required")
        if recovering:
            raise state_error(place, "it is a standby, and can't be written to: name the primary in state.url")
        schema = inspect(place)(connection)
        lacking = _lacking(connection, tables=schema > 0)
        if lacking:
            raise state_error(place, f"the user lacks privileges: {'; '.join(lacking)}")
        query = "SELECT count(*) FROM replicas WHERE expires_at > clock_timestamp()"
        (live,) = connection.execute(query).fetchall()[0] if schema else (0,)
        return Found(server.partition(" ")[0], schema, live)


def _lacking(connection: Connection, *, tables: bool) -> Sequence[str]:
    """Return the statements that grant what is missing."""
    if not tables:
        query = "SELECT has_schema_privilege(current_schema(), 'CREATE'), quote_ident(current_schema())"
        allowed, schema = connection.execute(query).fetchall()[0]
        return [] if allowed else [f"GRANT CREATE ON SCHEMA {schema} to it"]
    query = """
        SELECT privilege, string_agg(name, ', ' ORDER BY name)
        FROM unnest(%s::text[]) AS name, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
        WHERE NOT has_table_privilege(name, privilege) GROUP BY privilege ORDER BY privilege
    """
    found = connection.execute(query, (list(TABLES),))
    return [f"GRANT {privilege} ON {names} to it" for privilege, names in found]
