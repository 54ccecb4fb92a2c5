"""Check whether a refused token was replaced: its file may change at any time, and polls may be rare by then."""

from collections.abc import Callable

from exporter.model.record import Reason


class TokenWatch:
    """Watches the token's file between two polls of a collector whose token is refused or can't be read."""

    def __init__(self, stamp: Callable[[], object] | None) -> None:
        """`stamp` returns what changes when the file is written or replaced; None if the token is in no file."""
        self._stamp = stamp
        self._refused: object = None
        """The stamp before the last poll."""
        self._watching = False

    def before(self, last: Reason | None) -> None:
        """Note the token of the poll that begins. `last` is why the last one failed."""
        self._watching = self._stamp is not None and last is Reason.AUTH
        self._refused = self._stamp() if self._stamp is not None and self._watching else None

    def look_in(self, reason: Reason | None, interval: float, wait: float) -> float | None:
        """Return in how many seconds to look, if the next poll is `wait` seconds away; None if there is no need."""
        return interval if self._watching and reason is Reason.AUTH and wait > interval else None

    def is_replaced(self, reason: Reason | None) -> bool:
        """Return whether the token is another one than that of the last poll, which failed for this reason."""
        stamp = self._stamp
        return stamp is not None and self._watching and reason is Reason.AUTH and stamp() != self._refused
