"""Keep the last failed records of one collector. `accounting` decides which records have failed. No SQL here."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from exporter.model.record import LAST_FAILURES
from exporter.model.totals import Failed
from exporter.state.rows import FailureRow, Rows
from exporter.state.series import Series


class Failures:
    """The last failed records of one collector. One object serves one poll."""

    def __init__(self, rows: Rows, series: Series) -> None:
        self._rows = rows
        self._series = series
        self._kept: dict[str, FailureRow] | None = None
        """The kept failures by ID; None until they are needed."""
        self.changed = False
        """Whether any were added in this poll."""

    def add(self, failed: Sequence[Failed]) -> tuple[Sequence[FailureRow], Sequence[str]]:
        """Keep records that failed now, and drop the oldest ones beyond the limit. A record is kept once.

        Return the rows to write, and the IDs of those to delete.
        """
        if not failed:
            return (), ()
        before = self._loaded()
        turn = self._turn(max(record.at for record in failed))
        newest = heapq.nlargest(LAST_FAILURES, failed, key=lambda record: record.created_at)
        added = [self._row(self._joined(before.get(record.record_id), record), turn) for record in newest]
        kept = sorted({**before, **{row.id: row for row in added}}.values(), key=_order)[:LAST_FAILURES]
        self._kept = {row.id: row for row in kept}
        self.changed = True
        return [row for row in added if row.id in self._kept], [name for name in before if name not in self._kept]

    def all(self) -> Sequence[Failed]:
        """Return the kept records, those that failed last first."""
        return [self._failed(row) for row in sorted(self._loaded().values(), key=_order)]

    def reload(self) -> None:
        """Drop what is in memory, because it was not written."""
        self._kept = None

    def _loaded(self) -> dict[str, FailureRow]:
        if self._kept is None:
            self._kept = {row.id: row for row in self._rows.failures()}
        return self._kept

    def _turn(self, at: float) -> int:
        """Return the number of this poll among those with failures: the pages of a poll have the same time.

        The time alone does not suffice: after the clock was set back, the next failures would be dropped as the oldest.
        """
        last = max(self._loaded().values(), key=lambda row: row.turn, default=None)
        return 1 if last is None else last.turn + (last.at != at)

    def _joined(self, row: FailureRow | None, now: Failed) -> Failed:
        """Return a record that fails bit by bit with everything that failed of it, and the time of the last failure."""
        if row is None:
            return now
        before = self._failed(row)
        amounts = Counter(before.amounts) + Counter(now.amounts)
        return replace(now, amounts=amounts, workflow=now.workflow or before.workflow)

    def _failed(self, row: FailureRow) -> Failed:
        return Failed(row.id, row.created_at, row.at, self._series.decode(row.amounts), row.workflow)

    def _row(self, failed: Failed, turn: int) -> FailureRow:
        amounts = self._series.encode(failed.amounts)
        return FailureRow(failed.record_id, turn, failed.created_at, failed.at, amounts, failed.workflow)


def _order(row: FailureRow) -> tuple[int, float, str]:
    """Return what sorts the record that failed last first."""
    return -row.turn, -row.created_at, row.id
