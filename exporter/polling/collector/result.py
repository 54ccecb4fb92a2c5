"""The result of a poll, apart from the records themselves, and its log messages."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.polling.notices import Notices

log = logging.getLogger(__name__)

MOST_VALUES_LOGGED = 10
"""How many unknown values are logged after a poll: an API must not fill a disk with them."""


@dataclass(slots=True)
class PollResult:
    """What a poll found, apart from the records themselves. One object serves one poll."""

    rejected: Counter[str] = field(default_factory=Counter)
    """Items that could not be understood, by reason."""
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records with a value that no API page names, by label and value."""
    deleted: int = 0
    """Records that were deleted upstream."""
    abandoned: int = 0
    """Records given up because they were in flight for longer than `in_flight_max_age`."""
    incremental: bool = True
    """Whether the list is in order. If not, the whole window was read."""
    window_truncated: bool | None = None
    """Whether the API does not give the whole window: the list breaks off at the same page in poll after poll."""
    dated_ahead: float | None = None
    """How far in the future the newest record of the newest page was created, in seconds."""

    def log(self, where: Mapping[str, str], notices: Notices, now: float) -> None:
        """Log what was unusual: once a poll, however many records it was, and what lasts once an hour.

        `where` names the collector, and `now` is in seconds of the clock of `notices`.
        """
        for unknown, count in self.unknown.most_common(MOST_VALUES_LOGGED):
            if records := notices.note(unknown, now, count):
                label, value = unknown
                log.warning(
                    "a value that the API's documentation does not name",
                    extra={**where, "label": label, "value": value, "records": records},
                )
        for reason, count in self.rejected.items():
            if records := notices.note(reason, now, count):
                extra = {**where, "reason": reason, "records": records}
                log.warning("skipped records that can't be understood", extra=extra)
        for message, level, happened in (
            ("gave up on records in flight for longer than in_flight_max_age", logging.WARNING, self.abandoned),
            ("records deleted upstream", logging.INFO, self.deleted),
        ):
            if happened and (records := notices.note(message, now, happened)):
                log.log(level, message, extra={**where, "records": records})
