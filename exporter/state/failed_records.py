"""Keep the last failed records of one collector. `accounting` decides which records have failed."""

import heapq
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from exporter.model.record import LAST_FAILURES
from exporter.model.totals import Failed
from exporter.state.series import Series


class Failures:
    """The last failed records of one collector. One object serves one poll."""

    def __init__(self, connection: sqlite3.Connection, collector: int, series: Series) -> None:
        self._db = connection
        self._collector = collector
        self._series = series
        self.changed = False
        """Whether any were added in this poll."""

    def add(self, failed: Sequence[Failed]) -> None:
        """Keep records that failed now, and drop the oldest ones beyond the limit. A record is kept once.

        Call it within the transaction that counts them.
        """
        if not failed:
            return
        newest = heapq.nlargest(LAST_FAILURES, failed, key=lambda record: record.created_at)
        known = self._known([record.record_id for record in newest])
        turn = self._turn(max(record.at for record in failed))
        self._write([_joined(known.get(record.record_id), record) for record in newest], turn)
        drop = """DELETE FROM failures WHERE collector = ? AND id NOT IN (
                  SELECT id FROM failures WHERE collector = ? ORDER BY turn DESC, created_at DESC, id LIMIT ?)"""
        self._db.execute(drop, (self._collector, self._collector, LAST_FAILURES))
        self.changed = True

    def all(self) -> Sequence[Failed]:
        """Return the kept records, those that failed last first."""
        return list(self._select("TRUE ORDER BY turn DESC, created_at DESC, id"))

    def _turn(self, at: float) -> int:
        """Return the number of this poll among those with failures: the pages of a poll have the same time.

        The time alone does not suffice: after the clock was set back, the next failures would be dropped as the oldest.
        """
        query = """SELECT coalesce(
                   (SELECT turn + (at != ?) FROM failures WHERE collector = ? ORDER BY turn DESC LIMIT 1), 1)"""
        (turn,) = self._db.execute(query, (at, self._collector)).fetchone()
        return int(turn)

    def _known(self, ids: Sequence[str]) -> Mapping[str, Failed]:
        return {record.record_id: record for record in self._select(f"id IN ({','.join('?' * len(ids))})", *ids)}

    def _select(self, condition: str, *parameters: object) -> Iterator[Failed]:
        query = f"SELECT id, created_at, at, amounts, workflow FROM failures WHERE collector = ? AND {condition}"  # noqa: S608
        for record_id, created_at, at, amounts, workflow in self._db.execute(query, (self._collector, *parameters)):
            yield Failed(record_id, created_at, at, self._series.decode(amounts), workflow)

    def _write(self, failed: Sequence[Failed], turn: int) -> None:
        query = """
            INSERT INTO failures (collector, id, turn, created_at, at, amounts, workflow) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (collector, id) DO UPDATE SET turn = excluded.turn, created_at = excluded.created_at,
            at = excluded.at, amounts = excluded.amounts, workflow = excluded.workflow"""
        rows = [
            (
                self._collector,
                record.record_id,
                turn,
                record.created_at,
                record.at,
                self._series.encode(record.amounts),
                record.workflow,
            )
            for record in failed
        ]
        self._db.executemany(query, rows)


def _joined(before: Failed | None, now: Failed) -> Failed:
    """Return a record that fails bit by bit with everything that failed of it, and the time of the last failure."""
    if before is None:
        return now
    return replace(
        now, amounts=Counter(before.amounts) + Counter(now.amounts), workflow=now.workflow or before.workflow
    )
