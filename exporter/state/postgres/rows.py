"""Read and write the rows of one collector in PostgreSQL, in as few round trips as possible."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple, Protocol, TypeVar

from exporter.model.record import Refused
from exporter.state.postgres import statements
from exporter.state.postgres.connection import patient
from exporter.state.postgres.loading import Loaded, loading
from exporter.state.postgres.pool import Connection
from exporter.state.postgres.statements import MOST_IN_FLIGHT, MOST_KEPT
from exporter.state.rows import DELETED, IN_FLIGHT, FailureRow, RecordRow, SeriesRow, Write

_LONG_SECONDS = 60.0
"""How long a statement may take that reads or changes all records of a collector."""

_T = TypeVar("_T")


class Fence(NamedTuple):
    """The proof that an account is owned: at each write, its lease must have this holder and this epoch."""

    holder: str
    epoch: int


class Run(Protocol):
    """Makes a call with a connection and waits for it; `seconds` is how long it may take if not as long as usual."""

    def __call__(self, function: Callable[[Connection], _T], seconds: float | None = None) -> _T: ...


class PostgresRows:
    """The rows of one collector; see `Rows`.

    Everything that a poll without changes needs is read at once. `write` is refused if somebody else has written since.
    """

    def __init__(
        self, run: Run, account: str, collector: str, fence: Fence | None, loaded: Loaded | None = None
    ) -> None:
        """Read the collector, if it is not `loaded`, and make its row if there is none.

        Without a fence, only the version is checked.
        """
        self._run = run
        self._account = account
        self._fence = fence
        values, self._failures = loaded or run(loading(account, collector))
        self._collector, self._version, self._marks, newest, oldest, ids, times, kept, created, *columns = values
        self._series = {row.number: row for row in map(SeriesRow, *(column or () for column in columns))}
        self._newest: float | None = newest
        self._newest_is_known = True
        self._none_finished_before: float = math.inf if oldest is None else oldest
        self._in_flight: dict[str, float] | None = None
        """All records in flight with their times of creation; None if they are too many."""
        if ids is None or len(ids) < MOST_IN_FLIGHT:
            self._in_flight = dict(zip(ids or (), times or (), strict=True))
        self._kept: dict[str, float] | None = None
        """All records but the deleted ones with their times of creation; None if they are too many."""
        if kept is not None:
            self._kept = dict(zip(kept, created, strict=True))
        self._met: Mapping[str, float | None] = {}
        """When the records that `get` was last asked for were created; None for those that do not exist."""

    def marks(self) -> str:
        return str(self._marks)

    def series(self) -> Sequence[SeriesRow]:
        return [self._series[number] for number in sorted(self._series)]

    def failures(self) -> Sequence[FailureRow]:
        if self._failures is not None:
            # They are asked for again after an error: who writes them now is not known then.
            read, self._failures = self._failures, None
            return read
        return [FailureRow(*row) for row in self._rows(statements.FAILURES, self._collector)]

    def get(self, ids: Sequence[str]) -> Iterable[RecordRow]:
        found = self._records(statements.GET, statements.array(ids), self._collector) if ids else []
        self._met = {**dict.fromkeys(ids), **{row.id: row.created_at for row in found}}
        return found

    def following(self, record_id: str, limit: int) -> Iterable[RecordRow]:
        return self._records(statements.FOLLOWING, self._collector, record_id, limit)

    def finished_before(self, moment: float, limit: int) -> Iterable[RecordRow]:
        if self._none_finished_before >= moment:
            return ()
        found = self._records(statements.FINISHED_BEFORE, self._collector, moment, limit)
        if not found:
            self._none_finished_before = moment
        return found

    def stuck_before(self, moment: float) -> Iterable[RecordRow]:
        if self._in_flight is not None and all(created_at >= moment for created_at in self._in_flight.values()):
            return ()
        return self._records(statements.STUCK_BEFORE, self._collector, moment)

    def newest(self) -> float | None:
        if not self._newest_is_known:
            self._newest = self._value(statements.NEWEST, self._collector)
            self._newest_is_known = True
        return self._newest

    def oldest_in_flight(self) -> float | None:
        if self._in_flight is not None:
            return min(self._in_flight.values(), default=None)
        oldest: float | None = self._value(statements.OLDEST_IN_FLIGHT, self._collector)
        return oldest

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        if self._kept is None:
            return self._rows(statements.BETWEEN, self._collector, low, high)
        found = [record for record in self._kept.items() if low < record[1] <= high]
        return sorted(found, key=lambda record: (-record[1], record[0]))

    def count_between(self, low: float, high: float) -> int:
        return int(self._value(statements.COUNT_BETWEEN, self._collector, low, high))

    def in_flight(self, since: float, before: float) -> Sequence[tuple[str, float]]:
        if self._in_flight is None:
            return self._rows(statements.IN_FLIGHT, self._collector, since, before)
        found = [record for record in self._in_flight.items() if since <= record[1] < before]
        return sorted(found, key=lambda record: record[1], reverse=True)

    def count_in_flight(self, before: float) -> int:
        if self._in_flight is None:
            return int(self._value(statements.COUNT_IN_FLIGHT, self._collector, before))
        return sum(created_at < before for created_at in self._in_flight.values())

    def batch_ids(self, collector: str, since: float) -> Sequence[str]:
        return [batch_id for (batch_id,) in self._rows(statements.BATCH_IDS, self._account, collector, since)]

    def amounts_in_use(self) -> Iterable[str]:
        parameters = (self._collector, self._collector)

        def call(connection: Connection) -> list[str]:
            with patient(connection):
                return [amounts for (amounts,) in connection.execute(statements.AMOUNTS_IN_USE, parameters)]

        return self._run(call, _LONG_SECONDS)

    def write(self, write: Write) -> None:
        """Write everything or nothing. Raises Refused if the lease or the collector has changed since it was read."""
        write = statements.in_order(write)
        parameters = statements.parameters(write)
        parameters |= {"account": self._account, "collector": self._collector, "version": self._version}
        if self._fence is not None:
            parameters |= self._fence._asdict()
        text = statements.statement(write, fenced=self._fence is not None)
        is_long = write.start_over is not None
        (written,) = self._run(_one(text, parameters, is_long=is_long), _LONG_SECONDS if is_long else None)
        if not written:
            raise Refused(self._account)
        self._version += 1
        self._note(write)

    def _note(self, write: Write) -> None:
        """Keep what is in memory as the database has it now."""
        if write.marks is not None:
            self._marks = write.marks
        self._series.update((row.number, row) for row in write.series)
        for number in write.dropped_series:
            self._series.pop(number, None)
        if write.start_over is not None:
            self._note_start(write.start_over)
        for row in write.records:
            self._note_record(row)
        if self._kept is not None and len(self._kept) > MOST_KEPT:
            self._kept = None
        if write.forgotten:
            self._newest_is_known = False
            for record_id in write.forgotten:
                for known in (self._in_flight, self._kept):
                    if known is not None:
                        known.pop(record_id, None)
        self._met = {}

    def _note_start(self, before: float) -> None:
        self._kept = None
        if self._in_flight is None:
            self._none_finished_before = -math.inf
            return
        deleted = [created_at for created_at in self._in_flight.values() if created_at >= before]
        self._none_finished_before = min([self._none_finished_before, *deleted])
        self._in_flight = {name: created_at for name, created_at in self._in_flight.items() if created_at < before}

    def _note_record(self, row: RecordRow) -> None:
        _keep(self._in_flight, row, is_kept=row.state == IN_FLIGHT)
        _keep(self._kept, row, is_kept=row.state != DELETED)
        if row.state != IN_FLIGHT:
            self._none_finished_before = min(self._none_finished_before, row.created_at)
        if not self._newest_is_known:
            return
        if self._newest is None or row.created_at >= self._newest:
            self._newest = row.created_at
        elif row.id not in self._met or self._met[row.id] not in (None, row.created_at):
            # It may have been the newest.
            self._newest_is_known = False

    def _records(self, query: LiteralString, *parameters: object) -> list[RecordRow]:
        return [RecordRow(*row) for row in self._rows(query, *parameters)]

    def _rows(self, query: LiteralString, *parameters: object) -> list[Any]:
        return self._run(lambda connection: connection.cursor(binary=True).execute(query, parameters).fetchall())

    def _value(self, query: LiteralString, *parameters: object) -> Any:
        (value,) = self._run(_one(query, parameters))
        return value


def _keep(known: dict[str, float] | None, row: RecordRow, *, is_kept: bool) -> None:
    """Add a record to those that are known, or take it away from them, as far as they are known."""
    if known is None:
        return
    if is_kept:
        known[row.id] = row.created_at
    else:
        known.pop(row.id, None)


def _one(query: LiteralString, parameters: Any, *, is_long: bool = False) -> Callable[[Connection], tuple[Any, ...]]:
    """Return the call that reads one row."""

    def call(connection: Connection) -> tuple[Any, ...]:
        if is_long:
            with patient(connection):
                return _one(query, parameters)(connection)
        found = connection.cursor(binary=True).execute(query, parameters).fetchone()
        if found is None:
            raise LookupError("a query that has one row has none")
        return found

    return call
