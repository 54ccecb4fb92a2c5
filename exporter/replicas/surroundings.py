"""What a replica needs around it: an engine, a pool of connections, and accounts that begin and end."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from exporter.replicas.ticks import Connection

_T = TypeVar("_T")


class Engine(Protocol):
    """Runs tasks that wait without a thread: that of `polling`."""

    def pause(self, seconds: float) -> None:
        """Set the current task aside for so many seconds. Raises Stopping if it must end."""

    def result(self, future: "Future[_T]") -> _T:
        """Set the current task aside until a future is done. Return or raise what it holds, or raise Stopping."""

    def spawn(self, owner: Any, function: Callable[[], Any]) -> Any:
        """Run a function as a task, soon."""


class Pool(Protocol):
    """Calls functions with a connection in autocommit, in threads of its own."""

    def submit(self, function: "Callable[[Connection], _T]", seconds: float | None = None) -> "Future[_T]":
        """Call a function. Its future raises StateError, also when it has taken too long."""


class Accounts(Protocol):
    """Begins and ends the polling of accounts. Called in one task of the engine, which may wait."""

    def claimed(self, accounts: Collection[str]) -> None:
        """Restore these accounts from the state, and begin to poll and expose them.

        After a StateError, `lost` is called with the same accounts, and they are tried again.
        """

    def hide(self, accounts: Collection[str]) -> None:
        """Take these accounts off the exposition, and end their requests, at once and without waiting.

        `lost` is called with them later. It may be called with the same accounts several times.
        """

    def lost(self, accounts: Collection[str]) -> None:
        """Take these accounts off the exposition, and return when no poll of theirs is under way.

        Some may not have begun, or be gone already.
        """


def done() -> "Future[None]":
    """Return a future that is done."""
    future: Future[None] = Future()
    future.set_result(None)
    return future
