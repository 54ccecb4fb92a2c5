"""Log the accounts whose state could not be restored when they begin, with one line for each cause."""

import logging
from collections import defaultdict

from exporter.model.names import named
from exporter.model.record import StateError

log = logging.getLogger(__name__)


class Unrestored:
    """The accounts whose state could not be read, by cause. Their polls report it in their metrics, and try again."""

    def __init__(self) -> None:
        self._accounts: defaultdict[tuple[type, str], list[str]] = defaultdict(list)
        self._first: dict[tuple[type, str], Exception] = {}

    def note(self, account: str, error: Exception) -> None:
        """Note an error of the state, or of the program itself."""
        cause = type(error), str(error)
        self._accounts[cause].append(account)
        self._first.setdefault(cause, error)

    def log(self) -> None:
        """Log each cause with its accounts. An error of the program comes with its traceback."""
        for cause, accounts in self._accounts.items():
            error = self._first[cause]
            if isinstance(error, StateError):
                log.error("state can't be restored yet", extra={**named(accounts), "err": str(error)})
            else:
                log.error("internal error", exc_info=error, extra=named(accounts))
