"""Keep the records of one collector, the totals over them, and the checkpoint of its polls.

`accounting` decides what a change counts. A page's records, the totals and the checkpoint are written in one
transaction. No SQL here.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from exporter.model import accounting
from exporter.model.accounting import Rules
from exporter.model.record import Key, Record
from exporter.model.totals import Sums
from exporter.state.checkpoint import Checkpoint
from exporter.state.failed_records import Failures
from exporter.state.pending import Observation, PendingChanges
from exporter.state.rows import DELETED, FINISHED, IN_FLIGHT, RecordRow, Rows, Write
from exporter.state.series import Series

Changed = tuple[Record | None, Record]
"""A record as it was kept (None: never seen before), and as it was seen now."""

_MANY_UNUSED = 1000
"""Each unused series costs each poll a row to load: fewer than this are not worth a search for those in use."""


FEW = 5
"""So many records in flight are named to people."""


class Records:
    """The records of one collector. One object serves one poll."""

    def __init__(self, rows: Rows, rules: Rules) -> None:
        """Read the checkpoint."""
        self._rows = rows
        self._rules = rules
        self.checkpoint = Checkpoint.decode(rows.marks())
        self.series = Series(rows, rules)
        self.failures = Failures(rows, self.series)
        self.scraped_at: float | None = None
        """When the last scrape began, epoch seconds. It is written with each checkpoint."""

    def apply(
        self,
        seen: Iterable[Record],
        observation: Observation,
        deleted: Iterable[str] = (),
        checkpoint: Checkpoint | None = None,
        known: Mapping[str, Record] | None = None,
        count: Callable[[Sequence[Changed]], Mapping[Key, int]] = lambda _: {},
    ) -> Sequence[Changed]:
        """Write records as they were seen, and mark those with the IDs in `deleted` as deleted upstream.

        A record that was seen twice is as it was seen last, and counts what failed or finished either time.
        `known` is what `get` returns for all of them, if the caller has just called it. `count` gets the records that
        changed, one that was seen twice perhaps twice, and returns events of the polling itself that come with them.
        Everything is one transaction: on an error, nothing of it is written. Return the records that changed.
        """
        records = list(seen)
        latest: dict[str, Record] = {}
        for record in records:
            earlier = latest.get(record.id)
            latest[record.id] = record if earlier is None else accounting.remembered(earlier, record, self._rules)
        if known is None:
            known = self.get([*latest, *deleted])
        for record_id in deleted:
            if record_id in known and record_id not in latest:
                latest[record_id] = replace(known[record_id], deleted=True, in_flight=False)
                records.append(latest[record_id])
        changed = self._changed(records, known)
        events = +Counter(count([(before, record) for before, record, _ in changed]))
        if len(latest) < len(records):
            changed = self._changed(latest.values(), known)
        if not changed and not events and checkpoint in (None, self.checkpoint):
            return ()
        moved = PendingChanges(self._rules, events=events)
        for before, _, after in changed:
            moved.add(before, after, observation)
        with self._undone_on_error():
            self.series.add(moved)
            failures, dropped = self.failures.add(moved.failed)
            written = self._encoded(after for _, _, after in changed)
            self._write(Write(records=written, failures=failures, dropped_failures=dropped), checkpoint)
        return [(before, record) for before, record, _ in changed]

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint alone."""
        self._write(Write(), checkpoint)

    def begin_counting(self, at: float) -> float | None:
        """Note since when the counters count, epoch seconds, if none of them has counted or been polled for yet.

        Return since when they do; None if an older version has begun.
        """
        checkpoint = self.checkpoint
        if checkpoint.counting_since is None and checkpoint.is_blank and not self.series.all_keys():
            self.save_checkpoint(replace(checkpoint, counting_since=at))
        return self.checkpoint.counting_since

    def forget(self, records: Sequence[Record], events: Mapping[Key, int] | None = None) -> None:
        """Drop records, and count events of the polling itself that come with it. What they counted stays counted."""
        moved = PendingChanges(self._rules, events=Counter(events or {}))
        for record in records:
            moved.gauges.subtract(accounting.weight(record, self._rules))
        with self._undone_on_error():
            self.series.add(moved)
            self._write(Write(forgotten=[record.id for record in records]))

    def drop_unused_series(self, folded: Mapping[Key, Key]) -> None:
        """Delete series that no record or counter needs, if they are many.

        `folded` has the series beyond the cap, each with the series that shows it and takes over its count.
        """
        if not folded and self.series.unused() < _MANY_UNUSED:
            return
        named: set[int] = set()
        for amounts in self._rows.amounts_in_use():
            named.update(self.series.numbers(amounts))
        with self._undone_on_error():
            self.series.drop(named, folded)
            self._write(Write())

    def relabel(self, pairs: Iterable[tuple[Record, Record]]) -> None:
        """Count records with other labels than before: gauges move, and no counter rises."""
        moved, after = PendingChanges(self._rules), []
        for before, now in pairs:
            moved.gauges.subtract(accounting.weight(before, self._rules))
            moved.gauges.update(accounting.weight(now, self._rules))
            after.append(now)
        with self._undone_on_error():
            self.series.add(moved)
            self._write(Write(records=self._encoded(after)))

    def relabel_waiting(self, relabeled: Mapping[Key, Key]) -> None:
        """Move counts that are not published yet to the series with the present labels."""
        with self._undone_on_error():
            self.series.move_waiting(relabeled)
            self._write(Write())

    def start_over(self, checkpoint: Checkpoint, keep_before: float = float("-inf")) -> None:
        """Mark all records as deleted, because something else is queried from now on. What they counted stays known.

        If a record is seen again, only later changes of it are events. Counters and failures stay, and so do records
        in flight that were created before `keep_before`.
        """
        kept = self.stuck_before(keep_before)
        moved = PendingChanges(self._rules)
        for record in kept:
            moved.gauges.update(accounting.weight(record, self._rules))
        with self._undone_on_error():
            self.series.empty_gauges()
            self.series.add(moved)
            self._write(Write(start_over=keep_before), checkpoint)

    def count(self, events: Mapping[Key, int]) -> None:
        """Count events that belong to no record."""
        if events:
            moved = PendingChanges(self._rules, events=Counter(events))
            with self._undone_on_error():
                self.series.add(moved)
                self._write(Write())

    def publish(self, keys: Sequence[Key], at: float, starting: Iterable[Key] = ()) -> None:
        """Note that everything that these series have counted is published. Call it before publishing.

        `starting`: series that are exposed for the first time then.
        """
        if keys:
            with self._undone_on_error():
                self.series.publish(keys)
                self._write(Write(), self.checkpoint.published(at, starting))

    def get(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Return the known ones of these records, deleted ones too, by ID."""
        return {record.id: record for record in self._decoded(self._rows.get(ids))}

    def following(self, record_id: str, limit: int) -> Sequence[Record]:
        """Return up to `limit` records with IDs after this one, deleted ones too."""
        return self._decoded(self._rows.following(record_id, limit))

    def newest(self) -> float | None:
        """Return when the newest record was created."""
        return self._rows.newest()

    def between(self, low: float, high: float) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records created in (low, high] and not deleted, newest first."""
        return self._rows.between(low, high)

    def count_between(self, low: float, high: float) -> int:
        """Return how many records were created in (low, high], deleted ones too."""
        return self._rows.count_between(low, high)

    def in_flight(self, since: float, before: float = float("inf")) -> Sequence[tuple[str, float]]:
        """Return IDs and times of creation of records in flight created in [since, before), newest first."""
        return self._rows.in_flight(since, before)

    def finished_before(self, moment: float, limit: int) -> Sequence[Record]:
        """Return up to `limit` records, finished or deleted, that were created before."""
        return self._decoded(self._rows.finished_before(moment, limit))

    def stuck_before(self, moment: float) -> Sequence[Record]:
        """Return the records in flight that were created before."""
        return self._decoded(self._rows.stuck_before(moment))

    def count_in_flight(self, before: float) -> int:
        """Return how many records in flight were created before."""
        return self._rows.count_in_flight(before)

    def oldest_in_flight(self, before: float) -> Sequence[str]:
        """Return IDs of records in flight that were created before, oldest first.

        All, if they are few. Otherwise the oldest one: the others are not read.
        """
        few = self.count_in_flight(before) <= FEW
        oldest = None if few else self._rows.oldest_in_flight()
        since, until = (-math.inf, before) if oldest is None else (oldest, math.nextafter(oldest, math.inf))
        found = [record_id for record_id, _ in reversed(self._rows.in_flight(since, until))]
        return found if few else found[:1]

    def batches_named_by(self, collector: str, since: float) -> Sequence[str]:
        """Return the IDs of batches that another collector's records, created since, belong to."""
        return self._rows.batch_ids(collector, since)

    def sums(self) -> Sums:
        """Return the totals over all records."""
        return replace(self.series.sums(), oldest_in_flight=self._rows.oldest_in_flight())

    def _changed(
        self, seen: Iterable[Record], known: Mapping[str, Record]
    ) -> list[tuple[Record | None, Record, Record]]:
        """Return the records that are not kept as they were seen: as kept, as seen, and what is to be kept."""
        return [
            (before, record, after)
            for record in seen
            if (before := known.get(record.id)) != record
            and (after := accounting.remembered(before, record, self._rules)) != before
        ]

    def _decoded(self, rows: Iterable[RecordRow]) -> Sequence[Record]:
        found: dict[str, Mapping[Key, int]] = {}
        records = []
        for record_id, created_at, state, amounts, batch_id in rows:
            contributions = found.get(amounts)
            if contributions is None:
                contributions = found[amounts] = self.series.decode(amounts)
            in_flight, deleted = state == IN_FLIGHT, state == DELETED
            records.append(Record(record_id, created_at, in_flight, contributions, batch_id, deleted))
        return records

    def _encoded(self, records: Iterable[Record]) -> Sequence[RecordRow]:
        encoded: dict[tuple[tuple[Key, int], ...], str] = {}
        rows = []
        for record in records:
            contributions = tuple(record.contributions.items())
            amounts = encoded.get(contributions)
            if amounts is None:
                amounts = encoded[contributions] = self.series.encode(record.contributions)
            state = DELETED if record.deleted else IN_FLIGHT if record.in_flight else FINISHED
            rows.append(RecordRow(record.id, record.created_at, state, amounts, record.batch_id))
        return rows

    @contextlib.contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        """Change series and failures in memory, and write that within the block; on an error, all are read again."""
        try:
            yield
        except BaseException:
            self.series.reload()
            self.failures.reload()
            raise

    def _write(self, write: Write, checkpoint: Checkpoint | None = None) -> None:
        """Write this, with the series that changed and the checkpoint: all of it or nothing."""
        if checkpoint is not None and self.scraped_at is not None:
            checkpoint = replace(checkpoint, scraped_at=self.scraped_at)
        text = None if checkpoint in (None, self.checkpoint) else checkpoint.encode()
        series, dropped = self.series.take_changes()
        self._rows.write(replace(write, series=series, dropped_series=dropped, marks=text))
        self.checkpoint = checkpoint or self.checkpoint
