"""The state in a PostgreSQL database that replicas share."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeVar

from exporter.model.accounting import Rules
from exporter.model.record import Refused, StateError
from exporter.state.postgres.connection import connector
from exporter.state.postgres.errors import damaged
from exporter.state.postgres.loading import CollectorName, Loaded, loading_all
from exporter.state.postgres.pool import Connection, Pool
from exporter.state.postgres.rows import Fence, PostgresRows
from exporter.state.postgres.schema import prepare
from exporter.state.records import Records
from exporter.state.sqlite.damage import DAMAGE, raised_by_state
from exporter.state.state import Sizes

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_PREPARE_SECONDS = 60.0
"""How long the tables may take to be made and migrated, and another replica that does it to end."""

AHEAD_SECONDS = 10.0
"""How long reading many collectors at once may take."""

Fences = Callable[[str], Fence | tuple[str, int] | None]
"""Returns the holder and the epoch with which this program owns an account; None: it does not."""


class Wait(Protocol):
    """Waits for a future in the way of the caller's thread, and returns or raises what it holds."""

    def __call__(self, future: "Future[_T]", /) -> _T: ...


class PostgresState:
    """The state in use. Its methods wait with `wait`, and so never block the thread of a poll."""

    def __init__(self, pool: Pool, place: str, fences: Fences | None = None, wait: Wait = Future.result) -> None:
        """Use the database behind the pool, which `place` names in messages.

        Without `fences`, no lease is needed to write. `wait` waits for a future, in a plain thread by default.
        """
        self.pool = pool
        self.place = place
        self.wait = wait
        self._fences = fences
        self._prepared = False
        self._ahead: dict[CollectorName, Loaded] = {}

    def prepare(self) -> None:
        """Make or migrate the tables. Raises StateError, which is passing if the database can't be reached."""
        if not self._prepared:
            self.wait(self.preparing())
            self._prepared = True

    def preparing(self) -> "Future[None]":
        """Begin to do so, and return its future: another replica that does it may take long."""
        return self.pool.submit(prepare(self.place), _PREPARE_SECONDS)

    @contextlib.contextmanager
    def ahead(self, names: Sequence[CollectorName]) -> Iterator[None]:
        """Read these collectors at once: within the block, `records` of them asks nothing of the database at first.

        Nobody else may write to them meanwhile. What can't be read in time is read one by one.
        """
        try:
            if names:
                self.prepare()
                self._ahead |= self._run(loading_all(names), AHEAD_SECONDS)
        except StateError as error:
            log.debug("not read ahead", extra={"err": str(error)})
        try:
            yield
        finally:
            for name in names:
                self._ahead.pop(name, None)

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """Open the records of one collector for one poll. Raises StateError or Refused, now and inside the block."""
        fence = None
        if self._fences is not None:
            found = self._fences(account)
            if found is None:
                raise Refused(account)
            fence = Fence(*found)
        self.prepare()
        try:
            loaded = self._ahead.pop((account, collector), None)
            yield Records(PostgresRows(self._run, account, collector, fence, loaded), rules)
        except DAMAGE as error:
            if isinstance(error, UnicodeEncodeError) or not raised_by_state(error):
                raise
            raise damaged(self.place, error) from error

    def sizes(self) -> Sizes | None:
        """Return None: the database's size is its operator's matter."""
        return None

    def close(self) -> None:
        """End in less than a second. Records that are open fail."""
        self.pool.close()

    def _run(self, function: Callable[[Connection], _T], seconds: float | None = None) -> _T:
        return self.wait(self.pool.submit(function, seconds))


@contextlib.contextmanager
def opened(
    url: Callable[[], str],
    place: str,
    pool_size: int = 4,
    prepared_statements: bool = True,
    fences: Fences | None = None,
    wait: Wait = Future.result,
    observe: Callable[[float], None] | None = None,
) -> Iterator[PostgresState]:
    """Yield the state in a database. Nothing is connected to before something is asked of it.

    `url` is called for each new connection. It may raise StateError. `place` is the URL without credentials.
    `observe` is called with the seconds that each call took, in any thread.
    """
    pool = Pool(connector(url, prepared_statements=prepared_statements), place, pool_size, observe=observe)
    with contextlib.closing(PostgresState(pool, place, fences, wait)) as state:
        yield state
