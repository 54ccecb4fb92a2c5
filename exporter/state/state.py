"""What the rest of the program needs of the state, in whatever database it is. No SQL here."""

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from exporter.model.accounting import Rules
from exporter.state.records import Records


class Sizes(NamedTuple):
    """The sizes of the state's files, in bytes."""

    state: int
    log: int
    """The write-ahead log."""


class State(Protocol):
    """The state in use. The records of several collectors may be open at once."""

    def records(self, account: str, collector: str, rules: Rules) -> AbstractContextManager[Records]:
        """Open the records of one collector for one poll. Raises StateError, now and inside the `with` block."""

    def sizes(self) -> Sizes | None:
        """Return the sizes of the state's files; None if they are unknown, or it has none. It does no I/O."""
