"""The shared vocabulary: what a record is, and why a fetch can fail. No logic lives here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Key = tuple[str, ...]
"""A series without its `account` label: the family's name, then its other label values in the family's order."""

LAST_FAILURES = 200
"""How many failed records are remembered of each collector. An outage may fail thousands; the last ones show what it
is, the counters how many."""


@dataclass(frozen=True, slots=True)
class Record:
    """One batch or invocation, as what it adds to each family.

    A gauge is the sum of `contributions` over the records of a collector: a change of a record is a subtraction and an
    addition, whatever the vendor; a counter goes up by what a record adds to it more than before. Nothing else of
    the vendor's answer is kept, above all no personal data; the workflow's name is, of records that fail.
    """

    id: str
    created_at: float
    """Epoch seconds, as the API says it."""
    in_flight: bool
    """True while work is still open, which is not always what the top-level status says."""
    contributions: Mapping[Key, int]
    batch_id: str | None = None
    """The id of the batch this record belongs to, where the API names one."""
    deleted: bool = False
    """The API no longer has it. It is remembered all the same: should it come back, what it counted is no news."""
    finished_at: float | None = field(default=None, compare=False)
    """Epoch seconds at which it finished, where the API says so. Not kept."""
    workflow: str | None = field(default=None, compare=False)
    """The name of the workflow that made it, where the API says so. Kept of records that fail only, to be shown."""
    unknown: tuple[str, ...] = field(default=(), compare=False)
    """The names of fields that could not be understood and that it does without. Not kept."""


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
    """Not the API: the exporter's own state file could not be read or written."""
    INTERNAL = "internal"
    """Not the API: a mistake in the exporter. Its log has the details."""


class PollError(Exception):
    """A poll could not be completed. The message is safe to log: no token, no body, no query values."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FetchError(PollError):
    """The API did not give a usable answer."""

    def __init__(self, reason: Reason, message: str, status: int | None = None) -> None:
        super().__init__(reason, message)
        self.status = status
        """The HTTP status, where there was an answer at all."""


class StateError(PollError):
    """The state file could not be read or written: the disk is full, say."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(Reason.STATE, message)
        self.passing = passing
        """Whether it may be over by the next attempt, without anybody's doing."""
