"""The statements of a tick, as functions of a connection in autocommit. They raise psycopg's errors.

Each statement is a transaction of its own, also behind PgBouncer in transaction mode: a transaction of several, or a
pipeline without its end, could be left open with its locks, and no limit of the server would end it. Only the
database's clock decides what has expired.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from zlib import crc32

import psycopg

from exporter.replicas.values import Peer, Tick, Unowned

Connection = psycopg.Connection[tuple[Any, ...]]

CLAIMED_AT_ONCE = 1000
"""How many accounts one statement claims at most. Its answer has to fit into the buffers of a socket: the server would
keep the locks while a process that was stopped does not read the rest."""

ADDED_AT_ONCE = 10_000

HEARTBEAT = """
INSERT INTO replicas AS r (holder, expires_at, joined_at, leaving, config, config_since)
VALUES (%(holder)s, clock_timestamp() + make_interval(secs => %(ttl)s), clock_timestamp(), %(leaving)s, %(config)s,
  coalesce((SELECT min(config_since) FROM replicas WHERE config = %(config)s AND expires_at > clock_timestamp()),
           clock_timestamp()))
ON CONFLICT (holder) DO UPDATE SET expires_at = excluded.expires_at, leaving = excluded.leaving,
  config = excluded.config,
  config_since = CASE WHEN r.config = excluded.config THEN r.config_since ELSE excluded.config_since END
"""
"""A configuration that a live replica already has is as old as it is there: a restart does not make it the newest."""

READ = """
WITH RECURSIVE moment AS MATERIALIZED (SELECT clock_timestamp() AS at),
holders(holder) AS (
  (SELECT holder FROM leases WHERE holder IS NOT NULL ORDER BY holder LIMIT 1)
  UNION ALL
  SELECT (SELECT l.holder FROM leases l WHERE l.holder > h.holder ORDER BY l.holder LIMIT 1)
  FROM holders h WHERE h.holder IS NOT NULL
), gone AS MATERIALIZED (
  SELECT h.holder, r.expires_at FROM holders h CROSS JOIN moment LEFT JOIN replicas r ON r.holder = h.holder
  WHERE h.holder IS NOT NULL AND (r.holder IS NULL OR r.expires_at <= moment.at)
), free AS (
  SELECT account, holder, since FROM leases WHERE holder IS NULL
  UNION ALL
  SELECT l.account, gone.holder, coalesce(gone.expires_at, l.since)
  FROM gone CROSS JOIN LATERAL (SELECT account, since FROM leases WHERE holder = gone.holder OFFSET 0) l
)
SELECT extract(epoch FROM moment.at)::float8, live.*, mine.*, unowned.*
FROM moment,
LATERAL (SELECT array_agg(holder ORDER BY joined_at, holder), array_agg(config ORDER BY joined_at, holder),
  array_agg(extract(epoch FROM config_since)::float8 ORDER BY joined_at, holder)
  FROM replicas WHERE expires_at > moment.at AND NOT leaving) live,
LATERAL (SELECT array_agg(account), array_agg(epoch) FROM leases WHERE holder = %(holder)s) mine,
LATERAL (SELECT array_agg(account), array_agg(holder), array_agg(extract(epoch FROM since)::float8) FROM free) unowned
"""
"""Holders of leases are found one by one in the index, and those without a row in `replicas` are gone, too. OFFSET 0
keeps the planner from a join that reads all leases."""

CLAIM = """
WITH gone AS MATERIALIZED (
  SELECT holder FROM replicas WHERE holder = ANY(%(gone)s) AND expires_at <= clock_timestamp() FOR SHARE SKIP LOCKED
), free AS MATERIALIZED (
  SELECT l.account FROM leases l
  WHERE l.account = ANY(%(candidates)s)
    AND (l.holder IS NULL OR l.holder IN (SELECT holder FROM gone)
         OR NOT EXISTS (SELECT FROM replicas r WHERE r.holder = l.holder))
  LIMIT %(count)s FOR UPDATE OF l SKIP LOCKED
)
UPDATE leases l SET holder = %(holder)s, epoch = l.epoch + 1, since = clock_timestamp()
FROM free WHERE l.account = free.account RETURNING l.account, l.epoch
"""
"""The lock on expired heartbeats keeps a replica that returns at this moment from reading leases that it is losing: its
heartbeat waits until they are claimed, or has come first and is seen."""

RELEASE = """
UPDATE leases SET holder = NULL, since = clock_timestamp() WHERE holder = %(holder)s AND account = ANY(%(accounts)s)
"""

LEAVE = """
WITH released AS (UPDATE leases SET holder = NULL, since = clock_timestamp() WHERE holder = %(holder)s)
DELETE FROM replicas WHERE holder = %(holder)s
"""

ADD = """
INSERT INTO leases (account, epoch, since)
SELECT wanted.account, 0, clock_timestamp() FROM unnest(%(accounts)s::text[]) AS wanted(account)
WHERE NOT EXISTS (SELECT FROM leases l WHERE l.account = wanted.account)
ON CONFLICT (account) DO NOTHING
"""

FORGET = """
DELETE FROM leases l WHERE account = ANY(%(accounts)s)
  AND l.since <= clock_timestamp() - make_interval(secs => %(seconds)s)
  AND NOT EXISTS (SELECT FROM replicas r
    WHERE r.holder = l.holder AND r.expires_at > clock_timestamp() - make_interval(secs => %(seconds)s))
  AND NOT EXISTS (SELECT FROM replicas r
    WHERE r.config <> %(config)s AND NOT r.leaving AND r.expires_at > clock_timestamp())
"""
"""What a replica read may be old: the database looks again."""

SWEEP = """
DELETE FROM replicas r WHERE expires_at < clock_timestamp() - interval '1 hour'
  AND NOT EXISTS (SELECT FROM leases l WHERE l.holder = r.holder)
"""


def tick(connection: Connection, holder: str, ttl: float, config: str, ticks: Callable[[], float]) -> Tick:
    """Write a heartbeat, then read who lives and who owns what. `config` is the hash of the accounts.

    The read is a statement of its own: one that does both would read what was there before the heartbeat.
    """
    sent_at = ticks()
    heartbeat(connection, holder, ttl, config)
    asked_at = ticks()
    with connection.cursor(binary=True) as cursor:
        (row,) = cursor.execute(READ, {"holder": holder}).fetchall()
    read_at = (asked_at + ticks()) / 2
    database_time, live, mine, unowned = row[0], _rows(row[1:4]), _rows(row[4:6]), _rows(row[6:9])
    peers = tuple(Peer(*values) for values in live)
    return Tick(sent_at, database_time, peers, dict(mine), tuple(Unowned(*values) for values in unowned), read_at)


def heartbeat(connection: Connection, holder: str, ttl: float, config: str, *, leaving: bool = False) -> None:
    """Say that a replica lives, or that it is about to leave: then it has no share, and owns what it still holds."""
    connection.execute(HEARTBEAT, {"holder": holder, "ttl": ttl, "config": config, "leaving": leaving})


def claim(connection: Connection, holder: str, free: Sequence[Unowned], count: int) -> Mapping[str, int]:
    """Claim up to so many of these accounts. Return the epochs of those that are claimed."""
    claimed: dict[str, int] = {}
    gone = sorted({each.holder for each in free if each.holder is not None})
    # Another order for each replica: those that claim at once meet as little as possible.
    ordered = iter(sorted({each.account for each in free}, key=lambda account: crc32(f"{holder} {account}".encode())))
    while len(claimed) < count and (some := list(islice(ordered, CLAIMED_AT_ONCE))):
        values = {"holder": holder, "gone": gone, "candidates": some, "count": count - len(claimed)}
        claimed.update(connection.execute(CLAIM, values).fetchall())
    return claimed


def release(connection: Connection, holder: str, accounts: Sequence[str]) -> None:
    """Release the leases of these accounts, if the replica holds them."""
    connection.execute(RELEASE, {"holder": holder, "accounts": list(accounts)})


def leave(connection: Connection, holder: str) -> None:
    """Release all leases of a replica and forget it."""
    connection.execute(LEAVE, {"holder": holder})


def add_accounts(connection: Connection, accounts: Sequence[str]) -> None:
    """Make the leases that are missing, without owner, and forget replicas that died more than an hour ago.

    Two replicas that start at once insert in the same order, so that neither waits for the other.
    """
    ordered = iter(sorted(accounts))
    while some := list(islice(ordered, ADDED_AT_ONCE)):
        connection.execute(ADD, {"accounts": some})
    connection.execute(SWEEP)


def forget(connection: Connection, accounts: Sequence[str], config: str, seconds: float) -> int:
    """Delete leases that nobody has had for so long, if no live replica has a configuration other than `config`.

    Return how many were deleted. The records and counters of the accounts stay.
    """
    values = {"accounts": list(accounts), "config": config, "seconds": seconds}
    return connection.execute(FORGET, values).rowcount


def _rows(columns: Sequence[Sequence[Any] | None]) -> "zip[tuple[Any, ...]]":
    """Return the rows of columns that were aggregated; an aggregate of no row is NULL."""
    return zip(*(column or () for column in columns), strict=True)
