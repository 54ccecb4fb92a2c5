"""Decide for one poll whether failed requests by ID are failures of one record or of the API. Pure.

The API failed to return one record if it returns another one afterwards. Then only that one is set aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from exporter.model.record import FetchError, Reason
from exporter.polling.collector.set_aside import SetAside

_IN_A_ROW = 3
"""The number of failures in a row after which the poll checks whether the API returns any record."""

_WITHOUT_ANSWER = 3
"""The number of requests of a poll that may end without an answer, each perhaps after `request_timeout`. It is one
while the API returns no record."""

GONE = (404, 410)
"""The statuses that say that the API does not have the record."""


_FORBIDDEN = 403
"""The status that usually refuses a token, but that an API may also return for a single record."""


@dataclass(slots=True)
class ById:
    """The requests by ID of one poll."""

    aside: SetAside
    now: float
    """Elapsed seconds, of the clock of `aside`."""
    fetched: set[str] = field(default_factory=set)
    """IDs that were requested, with any result."""
    listed: Sequence[str] = ()
    """IDs of records that the list has shown in this poll. A working API returns these by ID."""
    reached: bool = False
    """Whether the API has answered for a record, with the record or with its absence."""
    returned: bool = False
    """Whether the API has returned a record, readable or not."""
    last_returned: str | None = None
    """The ID of the last record that the API has returned."""
    error: FetchError | None = None
    """Why the API has not returned a record."""
    fails: bool = False
    """Whether the API returns no record, so that no more are requested."""
    left: bool = False
    """Whether some records were not requested because too many requests failed, in this poll or before."""
    in_a_row: int = 0
    """How many requests have failed since the API has returned a record."""
    failed: list[str] = field(default_factory=list)
    """IDs that the API has failed to return since then, each requested alone."""
    _without_answer: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether to check first that the API returns a record that it must have."""
        return self.in_a_row >= (_IN_A_ROW if self.returned else 1)

    @property
    def is_over(self) -> bool:
        """Whether no more records are requested in this poll. The remaining ones keep their last values."""
        return self.fails or self._without_answer >= (1 if self.aside.polls_down else _WITHOUT_ANSWER)

    def note_gone(self, error: FetchError) -> None:
        """Note that the API does not have a record."""
        self.error = self.error or error
        self.reached = True

    def note_failed(self, ids: Sequence[str], error: FetchError) -> Sequence[Sequence[str]]:
        """Note that a request for these records failed. Return smaller ones to try. Raises FetchError."""
        self.note_probe_failed(error)
        self.in_a_row += 1
        if len(ids) == 1:
            self.failed += ids
        return self.aside.failed(ids, self.now)

    def note_probe_failed(self, error: FetchError) -> None:
        """Note that the API failed to return a record that it must have. Raises FetchError."""
        if error.reason is Reason.RATE_LIMITED or (error.reason is Reason.AUTH and error.status != _FORBIDDEN):
            # This error is not about a record.
            raise error
        self.error = error
        self._without_answer += error.status is None

    def note_down(self) -> None:
        """Note that the API returns no record."""
        self.aside.polls_down += not self.fails
        self.fails = True

    def is_due(self, record_id: str) -> bool:
        """Return whether a record may be requested in this poll."""
        return self.aside.is_due(record_id, self.now)

    def note_returned(self, ids: Sequence[str]) -> Sequence[str]:
        """Note that the API has returned these records. Return the IDs that are set aside now."""
        self.reached = self.returned = True
        self.last_returned = ids[0] if ids else self.last_returned
        self.aside.polls_down = self.in_a_row = 0
        set_aside, self.failed = self.failed, []
        self.aside.set_aside(set_aside, self.now)
        return set_aside
