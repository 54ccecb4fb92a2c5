"""Decide which collector is polled next, and when. Pure: there is no thread and no clock here."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_Id = TypeVar("_Id")
"""What names a collector."""

ASKED_POLLS = 30
"""How many polls of a collector may be asked for in each of its intervals, if each of them succeeds."""
LEAST_APART_SECONDS, MOST_APART_SECONDS = 1.0, 30.0
"""The bounds of the time between two of them, for intervals that are short or long."""


@dataclass(frozen=True, slots=True)
class Turn(Generic[_Id]):
    """A collector's turn to poll, or only to publish."""

    collector: _Id
    lateness: float | None
    """How many seconds after it was due the poll begins; None for a turn to publish, between two polls."""
    quick: bool
    """Whether it takes room among the polls of quick accounts; until `done` it does not change."""

    @property
    def polls(self) -> bool:
        return self.lateness is not None


@dataclass(slots=True)
class _Entry:
    interval: float
    due: float
    """When the next poll is due, or the one under way was."""
    number: int
    """The number of its event in the heap. Older events of the collector in the heap are ignored."""
    publish_at: float | None = None
    """When it publishes before its next poll; None if its next turn, or the one under way, is that poll."""
    under_way: bool = False
    asked: float | None = None
    """When the next poll, or the one under way, would be due if nobody had asked for one; None if nobody has."""
    again: bool = False
    """Whether somebody has asked since the poll under way began."""
    earliest: float = -math.inf
    """When a poll that is asked for may begin."""
    hastened: float | None = None
    """When the next poll is due at the latest if the one under way, which may have begun too early, asks for a wait."""


class Schedule(Generic[_Id]):
    """When collectors are due. Times are in seconds of one clock.

    Polls of a collector never overlap. Those that could not begin in time are made once, and not made up for. Anybody
    may ask for a poll, as often as they like: it is due at once if the last poll succeeded, and was not asked for too.
    """

    def __init__(self) -> None:
        self._entries: dict[_Id, _Entry] = {}
        self._heap: list[tuple[float, int, _Id, bool]] = []
        """Events to come: time, number, collector, and whether it is a poll."""
        self._numbers = itertools.count()
        self._overdue: dict[bool, dict[_Id, int]] = {True: {}, False: {}}
        """Polls that are due and have not begun, in order, with their numbers: of quick accounts, and of others."""

    @property
    def overdue(self) -> int:
        """How many polls are due and have not begun."""
        return sum(map(len, self._overdue.values()))

    def due(self, collector: _Id) -> tuple[float, bool]:
        """Return when the next poll of a collector is due, or the one under way was, and whether one is under way."""
        entry = self._entries[collector]
        return entry.due, entry.under_way and entry.publish_at is None

    def add(self, collector: _Id, interval: float, due: float) -> None:
        """Poll a collector from now on, in steps of `interval` seconds; `due` is when its first poll is due."""
        self._entries[collector] = _Entry(interval, due, next(self._numbers), earliest=due)
        self._push(collector, due, poll=True)

    def remove(self, collectors: Iterable[_Id]) -> None:
        """Poll these collectors no longer."""
        for collector in collectors:
            self._entries.pop(collector, None)
            self._leave_line(collector)

    def next_at(self) -> float | None:
        """Return when a collector is due next that is not overdue; None if there is none."""
        while self._heap and not self._is_current(self._heap[0][2], self._heap[0][1]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float, has_room: Callable[[bool], bool], is_quick: Callable[[_Id], bool]) -> Turn[_Id] | None:
        """Return the next turn that is due, which is then under way until `done`; None if there is none.

        A poll begins only if `has_room` for those of quick accounts (True) or for others (False).
        """
        while (at := self.next_at()) is not None and at <= now:
            _, number, collector, poll = heapq.heappop(self._heap)
            if not poll:
                self._entries[collector].under_way = True
                return Turn(collector, None, is_quick(collector))
            self._overdue[is_quick(collector)][collector] = number
        heads = {quick: next(iter(line.items())) for quick, line in self._overdue.items() if line and has_room(quick)}
        if not heads:
            return None
        quick = min(heads, key=lambda kind: (self._entries[heads[kind][0]].due, heads[kind][1]))
        collector, _ = heads[quick]
        self._leave_line(collector)
        entry = self._entries[collector]
        entry.under_way = True
        return Turn(collector, now - entry.due, quick)

    def done(
        self,
        turn: Turn[_Id],
        now: float,
        publish_in: float | None = None,
        wait: float = 0.0,
        *,
        succeeded: bool = True,
    ) -> None:
        """Note that a turn has ended.

        `publish_in`: in how many seconds there is something to publish. `wait`: for how many seconds no poll is due.
        `succeeded`: whether the API answered a poll. If not, nobody who asks brings the next one forward.
        """
        entry = self._entries.get(turn.collector)
        if entry is None or not entry.under_way:
            return
        entry.under_way = False
        again, entry.again = entry.again, False
        if turn.polls:
            if entry.hastened is not None:
                wait = min(wait, max(0.0, entry.hastened - now))
            entry.hastened = None
            _plan(entry, now, wait, succeeded=succeeded)
        if publish_in is not None and now + publish_in < entry.due:
            self._push(turn.collector, now + publish_in, poll=False)
        else:
            self._push(turn.collector, entry.due, poll=True)
        if again:
            self.ask(turn.collector, now)

    def ask(self, collector: _Id, now: float) -> None:
        """Let a poll begin that finds what has happened by now: at once, or as soon as one may be asked for again.

        One under way may have read its list already, so another one follows. All who ask before a poll begins have it
        in common.
        """
        entry = self._entries.get(collector)
        if entry is None:
            return
        if entry.under_way and entry.publish_at is None:
            entry.again = True
            return
        at = max(now, entry.earliest)
        if at < entry.due:
            entry.asked = entry.due
            self.hasten(collector, at)

    def hasten(self, collector: _Id, at: float) -> None:
        """Let the next poll of a collector be due at this time, if it would be due later.

        If a poll is under way that one is meant which follows it, and only the wait that it asks for becomes shorter.
        """
        entry = self._entries.get(collector)
        if entry is None:
            return
        if entry.under_way and entry.publish_at is None:
            entry.hastened = at
            return
        if entry.due <= at:
            return
        entry.due = at
        if not entry.under_way and (entry.publish_at is None or entry.publish_at >= at):
            self._push(collector, at, poll=True)

    def reconsider(self, collector: _Id) -> None:
        """Ask again whether a collector's account is quick, if its poll waits for room.

        One that is due but was distributed over some time by `spread` is asked for when its time comes.
        """
        if any(collector in line for line in self._overdue.values()):
            self._push(collector, self._entries[collector].due, poll=True)

    def spread(self, now: float, seconds: float) -> None:
        """Distribute the polls that are due by now evenly over so many seconds, in the order in which they were due.

        A collector that is due to publish does so with its poll, if that is due as well.
        """
        due = [item for line in self._overdue.values() for item in line.items()]
        publishing: list[tuple[_Id, int]] = []
        while (at := self.next_at()) is not None and at <= now:
            event = heapq.heappop(self._heap)
            (due if self._entries[event[2]].due <= now else publishing).append((event[2], event[1]))
        for collector, _ in publishing:
            self._push(collector, now, poll=False)
        due.sort(key=lambda item: (self._entries[item[0]].due, item[1]))
        for place, (collector, _) in enumerate(due):
            step = min(seconds, self._entries[collector].interval) / len(due)
            self._push(collector, now + place * step, poll=True)

    def _push(self, collector: _Id, at: float, *, poll: bool) -> None:
        heapq.heappush(self._heap, (at, self._renumber(collector), collector, poll))
        self._entries[collector].publish_at = None if poll else at

    def _renumber(self, collector: _Id) -> int:
        self._leave_line(collector)
        self._entries[collector].number = number = next(self._numbers)
        return number

    def _is_current(self, collector: _Id, number: int) -> bool:
        entry = self._entries.get(collector)
        return entry is not None and entry.number == number

    def _leave_line(self, collector: _Id) -> None:
        for line in self._overdue.values():
            line.pop(collector, None)


def _plan(entry: _Entry, now: float, wait: float, *, succeeded: bool) -> None:
    """Decide when the next poll is due after one has ended, and when one may be asked for."""
    asked, entry.asked = entry.asked, None
    # A failed poll that was asked for does not count: the next one comes no later than it would have without it.
    grid, steps = (entry.due, 1) if asked is None or succeeded else (asked, 0)
    entry.due = grid + entry.interval * max(steps, math.ceil((now - grid) / entry.interval))
    entry.due = max(entry.due, now + wait)
    apart = 0.0 if asked is None else apart_seconds(entry.interval)
    entry.earliest = now + apart if succeeded else entry.due


def apart_seconds(interval: float) -> float:
    """Return the seconds from the end of a poll that was asked for until another one may begin."""
    return min(MOST_APART_SECONDS, max(LEAST_APART_SECONDS, interval / ASKED_POLLS))


def first_polls(now: float, intervals: Sequence[float], seconds_each: float, phase: float) -> list[float]:
    """Return when collectors are due for the first time: spread over `seconds_each` for each, or over their interval.

    `phase` is in [0, 1).
    """
    count = len(intervals)
    return [
        now + (place + phase) / count * min(interval, seconds_each * count) for place, interval in enumerate(intervals)
    ]
