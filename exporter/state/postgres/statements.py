"""The SQL of one collector's rows. Each statement is one round trip."""

from collections.abc import Iterable
from typing import LiteralString

from exporter.state.rows import Write

MOST_IN_FLIGHT = 1000
"""The number of records in flight that are read with the rest at the beginning of a poll."""

MOST_KEPT = 100
"""The number of records that are read with the rest if there are no more: a short list is compared with all of them."""

_LOADED: LiteralString = """ c.id, c.version, c.marks,
        (SELECT max(created_at) FROM records WHERE collector = c.id),
        (SELECT created_at FROM records WHERE collector = c.id AND state <> 1 ORDER BY created_at LIMIT 1),
        i.ids, i.times, k.ids, k.times,
        s.number, s.key, s.total, s.events, s.published, s.cause, s.spread, s.published_spread, s.rose"""
_LOADED_FROM: LiteralString = """
    CROSS JOIN LATERAL (
        SELECT array_agg(id) AS ids, array_agg(created_at) AS times
        FROM (SELECT id, created_at FROM records WHERE collector = c.id AND state = 1
              ORDER BY created_at DESC LIMIT %(most)s) q) i
    CROSS JOIN LATERAL (
        SELECT CASE WHEN count(*) <= %(kept)s THEN coalesce(array_agg(id), '{}') END AS ids,
            CASE WHEN count(*) <= %(kept)s THEN coalesce(array_agg(created_at), '{}') END AS times
        FROM (SELECT id, created_at FROM records WHERE collector = c.id AND state <> 2
              ORDER BY created_at DESC LIMIT %(kept)s + 1) q) k
    CROSS JOIN LATERAL (
        SELECT array_agg(number) AS number, array_agg(key) AS key, array_agg(total) AS total,
            array_agg(events) AS events, array_agg(published) AS published, array_agg(cause) AS cause,
            array_agg(spread) AS spread, array_agg(published_spread) AS published_spread, array_agg(rose) AS rose
        FROM (SELECT * FROM series WHERE collector = c.id ORDER BY number) q) s"""
LOAD: LiteralString = f"""
    SELECT {_LOADED} FROM collectors c {_LOADED_FROM}
    WHERE c.account = %(account)s AND c.collector = %(collector)s"""  # noqa: S608
"""Reads everything that a poll without changes needs."""
_NAMES: LiteralString = "unnest(%(accounts)s::text[], %(collectors)s::text[]) AS w(account, collector)"
LOAD_ALL: LiteralString = f"""
    SELECT c.account, c.collector, {_LOADED}, f.* FROM {_NAMES}
    CROSS JOIN LATERAL (
        SELECT * FROM collectors WHERE account = w.account AND collector = w.collector LIMIT 1) c {_LOADED_FROM}
    CROSS JOIN LATERAL (
        SELECT array_agg(id), array_agg(turn), array_agg(created_at), array_agg(at), array_agg(amounts),
            array_agg(workflow)
        FROM failures WHERE collector = c.id) f"""  # noqa: S608
"""Reads the same for many collectors, with their failures."""

MAKE: LiteralString = """
    INSERT INTO collectors (account, collector) VALUES (%(account)s, %(collector)s) ON CONFLICT DO NOTHING"""
MAKE_ALL: LiteralString = f"""
    INSERT INTO collectors (account, collector)
    SELECT w.account, w.collector FROM {_NAMES}
    WHERE NOT EXISTS (SELECT FROM collectors c WHERE c.account = w.account AND c.collector = w.collector)
    ORDER BY 1, 2 ON CONFLICT DO NOTHING"""  # noqa: S608

_RECORD: LiteralString = "SELECT id, created_at, state, amounts, batch_id FROM records WHERE collector = %s"
# `= ANY` and a plain join read the whole collector while the database has no statistics of the table.
GET: LiteralString = """
    SELECT r.* FROM unnest(%s::text[]) AS w(id) CROSS JOIN LATERAL (
        SELECT id, created_at, state, amounts, batch_id FROM records WHERE collector = %s AND id = w.id LIMIT 1) r"""
FOLLOWING: LiteralString = _RECORD + " AND id > %s ORDER BY id LIMIT %s"
FINISHED_BEFORE: LiteralString = _RECORD + " AND created_at < %s AND state <> 1 ORDER BY created_at LIMIT %s"
STUCK_BEFORE: LiteralString = _RECORD + " AND created_at < %s AND state = 1"
NEWEST: LiteralString = "SELECT max(created_at) FROM records WHERE collector = %s"
OLDEST_IN_FLIGHT: LiteralString = "SELECT min(created_at) FROM records WHERE collector = %s AND state = 1"
BETWEEN: LiteralString = """
    SELECT id, created_at FROM records WHERE collector = %s AND created_at > %s AND created_at <= %s AND state <> 2
    ORDER BY created_at DESC, id"""
COUNT_BETWEEN: LiteralString = """
    SELECT count(*) FROM records WHERE collector = %s AND created_at > %s AND created_at <= %s"""
IN_FLIGHT: LiteralString = """
    SELECT id, created_at FROM records WHERE collector = %s AND state = 1 AND created_at >= %s AND created_at < %s
    ORDER BY created_at DESC"""
COUNT_IN_FLIGHT: LiteralString = "SELECT count(*) FROM records WHERE collector = %s AND state = 1 AND created_at < %s"
BATCH_IDS: LiteralString = """
    SELECT DISTINCT batch_id FROM records
    WHERE collector = (SELECT id FROM collectors WHERE account = %s AND collector = %s)
    AND created_at >= %s AND batch_id IS NOT NULL AND state <> 2"""
AMOUNTS_IN_USE: LiteralString = """
    SELECT amounts FROM records WHERE collector = %s UNION SELECT amounts FROM failures WHERE collector = %s"""
FAILURES: LiteralString = "SELECT id, turn, created_at, at, amounts, workflow FROM failures WHERE collector = %s"

# FOR KEY SHARE would let another owner claim the account meanwhile.
_FENCE: LiteralString = """
    f AS MATERIALIZED (SELECT 1 FROM leases WHERE account = %(account)s AND holder = %(holder)s AND epoch = %(epoch)s
                       FOR SHARE),
    g AS (UPDATE collectors SET marks = coalesce(%(marks)s, marks), version = version + 1 FROM f
          WHERE id = %(collector)s AND version = %(version)s RETURNING id)"""
_NO_FENCE: LiteralString = """
    g AS (UPDATE collectors SET marks = coalesce(%(marks)s, marks), version = version + 1
          WHERE id = %(collector)s AND version = %(version)s RETURNING id)"""
_START_OVER: LiteralString = """,
    o AS (UPDATE records SET state = 2 FROM g WHERE collector = g.id AND state <> 2
          AND NOT (state = 1 AND created_at < %(start_over)s) AND records.id <> ALL(%(touched)s::text[]))"""
_SERIES: LiteralString = """,
    s AS (INSERT INTO series (collector, number, key, total, events, published, cause, spread, published_spread, rose)
          SELECT g.id, u.* FROM g, unnest(%(s0)s::bigint[], %(s1)s::text[], %(s2)s::bigint[], %(s3)s::bigint[],
              %(s4)s::bigint[], %(s5)s::text[], %(s6)s::text[], %(s7)s::text[], %(s8)s::bigint[]) AS u
          ON CONFLICT (collector, number) DO UPDATE SET key = excluded.key, total = excluded.total,
              events = excluded.events, published = excluded.published, cause = excluded.cause,
              spread = excluded.spread, published_spread = excluded.published_spread, rose = excluded.rose)"""
_DROPPED_SERIES: LiteralString = """,
    ds AS (DELETE FROM series USING g WHERE collector = g.id AND number = ANY(%(dropped_series)s::bigint[]))"""
_RECORDS: LiteralString = """,
    r AS (INSERT INTO records (collector, id, created_at, state, amounts, batch_id)
          SELECT g.id, u.* FROM g, unnest(%(r0)s::text[], %(r1)s::float8[], %(r2)s::smallint[], %(r3)s::text[],
              %(r4)s::text[]) AS u
          ON CONFLICT (collector, id) DO UPDATE SET created_at = excluded.created_at, state = excluded.state,
              amounts = excluded.amounts, batch_id = excluded.batch_id)"""
_FORGOTTEN: LiteralString = """,
    dr AS (DELETE FROM records USING (
               SELECT found.place FROM g, unnest(%(forgotten)s::text[]) AS w(id) CROSS JOIN LATERAL (
                   SELECT ctid AS place FROM records WHERE collector = %(collector)s AND id = w.id LIMIT 1) found) d
           WHERE records.ctid = d.place)"""
_FAILURES: LiteralString = """,
    x AS (INSERT INTO failures (collector, id, turn, created_at, at, amounts, workflow)
          SELECT g.id, u.* FROM g, unnest(%(x0)s::text[], %(x1)s::bigint[], %(x2)s::float8[], %(x3)s::float8[],
              %(x4)s::text[], %(x5)s::text[]) AS u
          ON CONFLICT (collector, id) DO UPDATE SET turn = excluded.turn, created_at = excluded.created_at,
              at = excluded.at, amounts = excluded.amounts, workflow = excluded.workflow)"""
_DROPPED_FAILURES: LiteralString = """,
    dx AS (DELETE FROM failures USING g WHERE collector = g.id AND failures.id = ANY(%(dropped_failures)s::text[]))"""


def statement(write: Write, *, fenced: bool) -> LiteralString:
    """Return the one statement that writes everything or nothing. Its result is 1, or 0 if the write is refused."""
    parts: list[tuple[bool, LiteralString]] = [
        (write.start_over is not None, _START_OVER),
        (bool(write.series), _SERIES),
        (bool(write.dropped_series), _DROPPED_SERIES),
        (bool(write.records), _RECORDS),
        (bool(write.forgotten), _FORGOTTEN),
        (bool(write.failures), _FAILURES),
        (bool(write.dropped_failures), _DROPPED_FAILURES),
    ]
    gate = _FENCE if fenced else _NO_FENCE
    text: LiteralString = "".join(part for is_used, part in parts if is_used)
    return "WITH" + gate + text + " SELECT count(*) FROM g"  # noqa: S608


def parameters(write: Write) -> dict[str, object]:
    """Return the parameters of `statement`, without those of the fence."""
    found: dict[str, object] = {"marks": write.marks}
    for prefix, rows in (("s", write.series), ("r", write.records), ("x", write.failures)):
        if rows:
            found |= {f"{prefix}{place}": array(column) for place, column in enumerate(zip(*rows, strict=True))}
    if write.start_over is not None:
        touched = [*(row.id for row in write.records), *write.forgotten]
        found |= {"start_over": write.start_over, "touched": array(touched)}
    if write.dropped_series:
        found["dropped_series"] = array(write.dropped_series)
    if write.forgotten:
        found["forgotten"] = array(write.forgotten)
    if write.dropped_failures:
        found["dropped_failures"] = array(write.dropped_failures)
    return found


def array(values: Iterable[str | float | None]) -> str:
    """Return the text of an array. psycopg takes ten times as long for one."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: str | float | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def in_order(write: Write) -> Write:
    """Return the same write without rows that it inserts and then deletes: a statement may change a row once."""
    dropped, forgotten, unlisted = set(write.dropped_series), set(write.forgotten), set(write.dropped_failures)
    return Write(
        start_over=write.start_over,
        series=[row for row in {row.number: row for row in write.series}.values() if row.number not in dropped],
        dropped_series=write.dropped_series,
        records=[row for row in {row.id: row for row in write.records}.values() if row.id not in forgotten],
        forgotten=write.forgotten,
        failures=[row for row in {row.id: row for row in write.failures}.values() if row.id not in unlisted],
        dropped_failures=write.dropped_failures,
        marks=write.marks,
    )
