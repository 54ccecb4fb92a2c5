"""The result of a poll, apart from the records themselves, and its log messages."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from exporter.polling.notices import Notices

log = logging.getLogger(__name__)

MOST_VALUES_LOGGED = 10
"""How many unknown values are logged by name in an hour: an API must not fill a disk with them."""

_OTHERS = "(others)"
"""Stands for the values of a label beyond those."""

_MOST_IDS_LOGGED = 5
"""How many IDs of records are logged after a poll, at level debug."""


class Change(NamedTuple):
    """A change of the list's behavior, which may alternate from poll to poll."""

    level: int
    """The level of the log line."""
    message: str
    fields: Mapping[str, object] = MappingProxyType({})


class _Value(NamedTuple):
    """An unknown value, as a condition that lasts."""

    label: str
    value: str


@dataclass(slots=True)
class PollResult:
    """What a poll found, apart from the records themselves. One object serves one poll."""

    rejected: Counter[str] = field(default_factory=Counter)
    """Items that could not be understood, by reason."""
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records with a value that no API page names, by label and value."""
    deleted: list[str] = field(default_factory=list)
    """IDs of records that were deleted upstream."""
    abandoned: list[str] = field(default_factory=list)
    """IDs of records given up because they were in flight for longer than `in_flight_max_age`."""
    not_answered: list[str] = field(default_factory=list)
    """IDs of records that the API failed to return by ID."""
    incremental: bool = True
    """Whether the list is sorted. If not, the whole window was read."""
    window_truncated: bool | None = None
    """Whether the API does not give the whole window: the list breaks off at the same page in poll after poll."""
    dated_ahead: float | None = None
    """How far in the future the newest record of the newest page was created, in seconds."""

    changes: list[Change] = field(default_factory=list)
    """What has changed about the list."""

    def log(self, where: Mapping[str, str], notices: Notices, now: float) -> None:
        """Log what was unusual: once an hour, with how many records it was. Level debug has each poll, with IDs.

        `where` names the collector, and `now` is in seconds of the clock of `notices`.
        """
        for change in self.changes:
            if times := notices.note(change.message, now):
                repeated = {"times": times} if times > 1 else {}
                log.log(change.level, change.message, extra={**where, **change.fields, **repeated})
        for (label, value), records in self._unknown_to_log(notices, now):
            log.warning(
                "a value that the API's documentation does not name",
                extra={**where, "label": label, "value": value, "records": records},
            )
        for reason, count in self.rejected.items():
            if records := notices.note(reason, now, count):
                extra = {**where, "reason": reason, "records": records}
                log.warning("skipped records that can't be understood", extra=extra)
        named = {"abandoned": self.abandoned, "deleted": self.deleted, "not answered": self.not_answered}
        for what, ids in named.items():
            if ids:
                shown = {"records": len(ids), "ids": ",".join(ids[:_MOST_IDS_LOGGED])}
                log.debug("records %s", what, extra={**where, **shown})
        if self.abandoned and (records := notices.note("abandoned", now, len(self.abandoned))):
            log.warning(
                "gave up on records in flight for longer than in_flight_max_age", extra={**where, "records": records}
            )
        if self.deleted and (records := notices.note("deleted", now, len(self.deleted))):
            log.info("records deleted upstream", extra={**where, "records": records})

    def _unknown_to_log(self, notices: Notices, now: float) -> Iterator[tuple[_Value, int]]:
        """Yield unknown values to log now, with how many records: few by name, and those others of a label together."""
        others: Counter[_Value] = Counter()
        for (label, value), count in self.unknown.most_common():
            unknown, logged = _Value(label, value), notices.logged(_Value, now)
            if unknown not in logged and len(logged) >= MOST_VALUES_LOGGED:
                others[_Value(label, _OTHERS)] += count
            elif records := notices.note(unknown, now, count):
                yield unknown, records
        for unknown, count in others.items():
            if records := notices.note(unknown, now, count):
                yield unknown, records
