"""The last failed records of one collector. Which records those are is the ledger's to say; here they are kept."""

import heapq
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from exporter.model.record import LAST_FAILURES
from exporter.model.totals import Failed
from exporter.state.series import Series


class Failures:
    """The last failed records of one collector, for the length of one poll."""

    def __init__(self, connection: sqlite3.Connection, collector: int, series: Series) -> None:
        self._db = connection
        self._collector = collector
        self._series = series
        self.changed = False
        """Have any been added in this poll."""

    def add(self, failed: Sequence[Failed]) -> None:
        """Keep records that failed now, and drop those that are too many. One that had failed before stays one.

        To be called within the transaction that counts them.
        """
        if not failed:
            return
        newest = heapq.nlargest(LAST_FAILURES, failed, key=lambda one: one.created_at)
        known = self._known([one.record_id for one in newest])
        turn = self._turn(max(one.at for one in failed))
        self._write([_joined(known.get(one.record_id), one) for one in newest], turn)
        drop = """DELETE FROM failures WHERE collector = ? AND id NOT IN (
                  SELECT id FROM failures WHERE collector = ? ORDER BY turn DESC, created_at DESC, id LIMIT ?)"""
        self._db.execute(drop, (self._collector, self._collector, LAST_FAILURES))
        self.changed = True

    def all(self) -> Sequence[Failed]:
        """All that are kept, those that failed last first."""
        return list(self._select("TRUE ORDER BY turn DESC, created_at DESC, id"))

    def _turn(self, at: float) -> int:
        """Which poll with failures this is: its pages share the time at which they were seen.

        The time alone would not do: after the clock was set back, what fails next would be dropped as the oldest.
        """
        query = """SELECT coalesce(
                   (SELECT turn + (at != ?) FROM failures WHERE collector = ? ORDER BY turn DESC LIMIT 1), 1)"""
        (turn,) = self._db.execute(query, (at, self._collector)).fetchone()
        return int(turn)

    def _known(self, ids: Sequence[str]) -> Mapping[str, Failed]:
        return {one.record_id: one for one in self._select(f"id IN ({','.join('?' * len(ids))})", *ids)}

    def _select(self, condition: str, *parameters: object) -> Iterator[Failed]:
        query = f"SELECT id, created_at, at, amounts, workflow FROM failures WHERE collector = ? AND {condition}"  # noqa: S608
        for one, created_at, at, amounts, workflow in self._db.execute(query, (self._collector, *parameters)):
            yield Failed(one, created_at, at, self._series.decode(amounts), workflow)

    def _write(self, failed: Sequence[Failed], turn: int) -> None:
        query = """
            INSERT INTO failures (collector, id, turn, created_at, at, amounts, workflow) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (collector, id) DO UPDATE SET turn = excluded.turn, created_at = excluded.created_at,
            at = excluded.at, amounts = excluded.amounts, workflow = excluded.workflow"""
        rows = [
            (
                self._collector,
                one.record_id,
                turn,
                one.created_at,
                one.at,
                self._series.encode(one.amounts),
                one.workflow,
            )
            for one in failed
        ]
        self._db.executemany(query, rows)


def _joined(before: Failed | None, now: Failed) -> Failed:
    """A record that fails bit by bit: all that failed of it, with the time of the last."""
    if before is None:
        return now
    return replace(
        now, amounts=Counter(before.amounts) + Counter(now.amounts), workflow=now.workflow or before.workflow
    )
