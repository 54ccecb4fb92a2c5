"""Look into a database that replicas share without changing or locking anything."""

from collections.abc import Callable

from exporter.state.overview import CollectorOverview, Overview, ReplicaOverview, last_poll
from exporter.state.postgres.errors import NO_STATE, state_error
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.schema import TABLES, inspect
from exporter.state.postgres.tables import opened, understanding, unpooled
from exporter.state.rows import DELETED, FINISHED, IN_FLIGHT

_COLLECTORS = """
SELECT c.account, c.collector, coalesce(r.finished, 0), coalesce(r.in_flight, 0), coalesce(r.deleted, 0),
  coalesce(s.count, 0), coalesce(f.count, 0), c.marks, l.holder
FROM collectors c
LEFT JOIN (SELECT collector, count(*) FILTER (WHERE state = %(finished)s) AS finished,
             count(*) FILTER (WHERE state = %(in_flight)s) AS in_flight,
             count(*) FILTER (WHERE state = %(deleted)s) AS deleted FROM records GROUP BY collector) r
  ON r.collector = c.id
LEFT JOIN (SELECT collector, count(*) FROM series GROUP BY collector) s ON s.collector = c.id
LEFT JOIN (SELECT collector, count(*) FROM failures GROUP BY collector) f ON f.collector = c.id
LEFT JOIN leases l ON l.account = c.account
ORDER BY c.account, c.collector
"""
_REPLICAS = """
SELECT r.holder, r.expires_at > clock_timestamp(), r.leaving, count(l.account)
FROM replicas r LEFT JOIN leases l ON l.holder = r.holder GROUP BY r.holder ORDER BY r.holder
"""
_UNOWNED = """
SELECT l.account FROM leases l WHERE NOT EXISTS
  (SELECT FROM replicas r WHERE r.holder = l.holder AND r.expires_at > clock_timestamp()) ORDER BY l.account
"""
_SIZE = "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)::bigint FROM unnest(%s::text[]) AS name"


def overview(url: Callable[[], str], place: str) -> Overview:
    """Return what the database holds. Raises StateError, also if it has no tables of the exporter."""
    with opened(unpooled(url), place) as connection, understanding(place):
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        version = inspect(place)(connection)
        if version == 0:
            raise state_error(place, NO_STATE)
        return _read(connection, place, version)


def _read(connection: Connection, place: str, version: int) -> Overview:
    states = {"finished": FINISHED, "in_flight": IN_FLIGHT, "deleted": DELETED}
    collectors = [
        CollectorOverview._make([*row[:-2], last_poll(row[-2]), row[-1]])
        for row in connection.execute(_COLLECTORS, states)
    ]
    replicas = [ReplicaOverview(*row) for row in connection.execute(_REPLICAS)]
    unowned = [account for (account,) in connection.execute(_UNOWNED)]
    (size,) = connection.execute(_SIZE, (list(TABLES),)).fetchall()[0]
    return Overview(place, version, size, collectors, replicas, unowned)
