"""Read the last failed records of many accounts at once, whoever owns them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from exporter.model.record import Key
from exporter.model.totals import Failed
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.statements import array
from exporter.state.rows import FailureRow
from exporter.state.series import Series

_FAILURES = """
SELECT c.account, c.collector, c.id, f.id, f.turn, f.created_at, f.at, f.amounts, f.workflow
FROM failures f JOIN collectors c ON c.id = f.collector
WHERE c.account = ANY(%s::text[]) ORDER BY f.at DESC, f.created_at DESC LIMIT %s
"""
_KEYS = """
SELECT w.collector, w.number, s.key FROM unnest(%s::bigint[], %s::bigint[]) AS w(collector, number)
CROSS JOIN LATERAL (SELECT key FROM series WHERE collector = w.collector AND number = w.number LIMIT 1) s
"""
"""Each key is found by the primary key, however many series there are."""


class FailedRow(NamedTuple):
    """A failed record and its collector."""

    account: str
    collector: str
    failed: Failed


def last_failures(accounts: Sequence[str], most: int) -> Callable[[Connection], Sequence[FailedRow]]:
    """Return the call that reads the failures of these accounts, the last one first, and no more than `most`."""

    def call(connection: Connection) -> Sequence[FailedRow]:
        cursor = connection.cursor(binary=True)
        found = cursor.execute(_FAILURES, (array(accounts), most)).fetchall()
        rows = [(account, collector, number, FailureRow(*row)) for account, collector, number, *row in found]
        named = sorted({(number, series) for _, _, number, row in rows for series in Series.numbers(row.amounts)})
        columns = array(number for number, _ in named), array(series for _, series in named)
        keys = {(number, series): tuple(json.loads(key)) for number, series, key in cursor.execute(_KEYS, columns)}
        return [FailedRow(account, name, _failed(row, number, keys)) for account, name, number, row in rows]

    return call


def _failed(row: FailureRow, collector: int, keys: Mapping[tuple[int, int], Key]) -> Failed:
    """Decode a row. A series that another replica has deleted between the two reads is left out."""
    pairs = (tuple(map(int, pair.split(":"))) for pair in row.amounts.split())
    amounts = {keys[collector, series]: amount for series, amount in pairs if (collector, series) in keys}
    return Failed(row.id, row.created_at, row.at, amounts, row.workflow)
