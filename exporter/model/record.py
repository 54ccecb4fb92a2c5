"""The record, the reasons why a poll can fail, and what else can end it. No logic here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Key = tuple[str, ...]
"""A series without its `account` label: the family's name, then its other label values in the family's order."""

LAST_FAILURES = 200
"""The number of failed records that are kept for each collector. An outage may fail thousands: the last ones show the
cause, the counters the number."""


@dataclass(frozen=True, slots=True)
class Record:
    """One batch or invocation, as what it adds to each family.

    A gauge is the sum of `contributions` over the records of a collector: a changed record is subtracted as it was and
    added as it is. A counter rises by what a record adds more than before. Nothing else of the API's answer is kept,
    above all no personal data, except the workflow's name of records that fail.
    """

    id: str
    created_at: float
    """Epoch seconds, from the API."""
    in_flight: bool
    """Whether work is still open, which the top-level status does not always show."""
    contributions: Mapping[Key, int]
    batch_id: str | None = None
    """The ID of the batch that this record belongs to, where the API names one."""
    deleted: bool = False
    """Whether it was deleted upstream. It is kept all the same: if it comes back, it is not counted again."""
    finished_at: float | None = field(default=None, compare=False)
    """Epoch seconds at which it finished, where the API names them. Not kept."""
    workflow: str | None = field(default=None, compare=False)
    """The name of its workflow, where the API names one. Kept only for records that fail, to be shown."""
    unknown: tuple[str, ...] = field(default=(), compare=False)
    """The names of unreadable fields that it does not need. Not kept."""


class Reason(StrEnum):
    """Why a poll failed: the closed set of values of the `reason` label of poll errors."""

    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    STATE = "state"
    """The exporter's own state could not be read or written."""
    STATE_LOCKED = "state_locked"
    """Another program has locked the state file."""
    INTERNAL = "internal"
    """A bug in the exporter. Its log has the traceback."""


STATE_REASONS = (Reason.STATE, Reason.STATE_LOCKED)
"""The reasons of polls whose failure the state can't count."""


class PollError(Exception):
    """A poll failed. The message is safe to log: no token, no body, no query values."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FetchError(PollError):
    """The API gave no usable answer."""

    def __init__(self, reason: Reason, message: str, status: int | None = None, *, passing: bool = False) -> None:
        super().__init__(reason, message)
        self.status = status
        """The HTTP status; None if there was no answer."""
        self.passing = passing
        """Whether the next attempt may succeed, unlike after other errors with this reason."""


class StateError(PollError):
    """The state could not be read or written, for example because the disk is full."""

    def __init__(self, message: str, *, passing: bool = False, reason: Reason = Reason.STATE) -> None:
        super().__init__(reason, message)
        self.passing = passing
        """Whether the next attempt may succeed without a fix."""


class Refused(Exception):
    """The database did not accept a write, because another replica owns the account now, or has written since."""

    def __init__(self, account: str) -> None:
        super().__init__(f"another replica owns the account {account} now")
        self.account = account


class Stopping(Exception):
    """The program or the account is stopping: all waiting code must end."""
