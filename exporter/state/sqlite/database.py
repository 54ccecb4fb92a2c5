"""Use the state file through one connection, and report why it can't be used."""

import contextlib
import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.model.accounting import Rules
from exporter.model.record import Reason, StateError
from exporter.state.records import Records
from exporter.state.sqlite.check import NO_TEMPORARY_FOLDER
from exporter.state.sqlite.connection import connect, fold, mark, marked, sizes, wait_for_locks
from exporter.state.sqlite.damage import damaged, is_damage, understanding, understood
from exporter.state.sqlite.place import Place
from exporter.state.sqlite.rows import SqliteRows
from exporter.state.sqlite.schema import migrate
from exporter.state.state import Sizes

log = logging.getLogger(__name__)

_MEASURE_SECONDS = 10.0
"""How often the sizes of the files are read."""

_FOLD_SECONDS = 60.0
"""How often the write-ahead log is folded back, however short it is: state.db alone is never older than that."""

_CHECKS = ("quick_check(1)", "integrity_check(collectors)")
"""What is done at the start. SQLite reads on where pages do not hold what they should, and may find nothing: no
records, or no collector, which would then begin at 0. The first check takes 0.2 s of CPU time for a million records."""

_IMPATIENT_SECONDS = 10.0
"""How long nothing waits for a lock after one was not released in time: all polls wait together."""


class SqliteState:
    """The state file in use, through one connection.

    Use it from one thread at a time. The records of several collectors may be open at once.
    """

    def __init__(self, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        """Use the file at this place. Another file there is refused."""
        self.path = path = place.path
        self._place = place
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._closed_by = self._end = StateError(f"state file {path}: it was closed at the end of the exporter")
        """Why the last connection was closed."""
        self._copy: Path | None = None
        """What a deleted file held, if it could not be made the state file yet. No connection can read it any more."""
        self._ended = False
        self.is_new = False
        """Whether no program has used the file before."""
        self._mark: str | None = None
        """What `mark` wrote last: the file has it, unless another program has overwritten it."""
        self._users = 0
        """How many `records` are open."""
        self._sizes: Sizes | None = None
        self._measure_at = clock()
        self._fold_at = clock() + _FOLD_SECONDS
        self._patient_at: float | None = None
        """When statements wait for locks again; None if they do."""

    @contextlib.contextmanager
    def records(self, account: str, collector: str, rules: Rules) -> Iterator[Records]:
        """Open the records of one collector for one poll. Raises StateError, now and inside the `with` block."""
        self._look()
        connection = None
        self._users += 1
        try:
            connection = self._connected()
            yield Records(SqliteRows(connection, account, collector, self._check, self._tend), rules)
        except Exception as error:
            meant = self._understood(connection, error)
            if meant is None:
                raise
            raise meant from error
        finally:
            self._users -= 1

    def sizes(self) -> Sizes | None:
        """Return the sizes of the files as they were last read, after a recent transaction. It does no I/O."""
        return self._sizes

    def start(self) -> None:
        """Migrate the file, and fold back what the program before left in the log. Raises Foreign and StateError."""
        self._connection = connection = connect(self.path)
        self.is_new = migrate(connection) == 0
        for check in _CHECKS:
            (found,) = connection.execute(f"PRAGMA {check}").fetchone()
            if found != "ok":
                raise damaged(self.path, str(found).splitlines()[-1])
        connection.execute("PRAGMA journal_mode = WAL")
        self._mark = marked(connection)
        fold(connection, truncate=True)
        self._tend()

    def close(self) -> None:
        """Fold the log back, so that the file alone is complete, and close it. Records that are open fail."""
        with contextlib.suppress(StateError):
            # A file that was deleted since the last poll can be written only now.
            self._look()
        self._ended = True
        if self._connection is not None:
            wait_for_locks(self._connection, wait=False)
            fold(self._connection, truncate=True)
        self._close(self._end)

    def leave(self) -> None:
        """Leave the connection to a thread that does not come back from using it: closing it would wait for that.

        Nothing is lost: what is committed stands in the log, which the next program folds back.
        """
        self._ended = True
        self._connection = None

    def _look(self) -> None:
        """Look whether the file is as it was left. One that was deleted is written again. Raises StateError."""
        if self._ended:
            raise self._closed_error()
        problem = self._place.problem(kept=self._is_kept)
        if problem is None and self._connection is not None:
            with understanding(self.path):
                problem = self._place.overwriting(self._connection, self._mark)
        if problem is None:
            return
        if not (self._is_kept and self._place.is_deleted):
            raise problem
        if self._connection is not None:
            self._copy = self._place.copy(self._connection)
            self._close(problem)
        if self._copy is not None:
            self._place.put(self._copy)
            self._copy = None
        log.warning("state file was deleted while the exporter ran: written again", extra={"path": str(self.path)})

    @property
    def _is_kept(self) -> bool:
        """Whether what the file held is known if it is deleted."""
        return self._connection is not None or self._copy is not None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self.path)
            self._patient_at = None
            # The last one has folded the log back when it was closed.
            self._place.note_written()
        if self._patient_at is not None and self._clock() >= self._patient_at:
            wait_for_locks(self._connection, wait=True)
            self._patient_at = None
        return self._connection

    def _understood(self, connection: sqlite3.Connection | None, error: Exception) -> StateError | None:
        """Return the error for the operator; None if the file is not the cause. The connection may be closed."""
        if isinstance(error, sqlite3.ProgrammingError) and connection is not self._connection:
            return self._closed_error()
        meant = None
        if isinstance(error, sqlite3.Error | OSError) and not self._ended:
            meant = self._place.problem(kept=self._is_kept)
        meant = meant or understood(self.path, error)
        if meant is None or connection is None or connection is not self._connection:
            return meant
        if meant.reason is Reason.STATE_LOCKED:
            wait_for_locks(connection, wait=False)
            self._patient_at = self._clock() + _IMPATIENT_SECONDS
        elif (self._users == 1 or not is_damage(error)) and not self._place.is_deleted:
            # Damage may be in the rows of one collector: the polls of others that are under way go on. What was deleted
            # can be read through this connection alone.
            self._close(meant)
        return meant

    def _close(self, why: StateError) -> None:
        self._closed_by = why
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _closed_error(self) -> StateError:
        """Return the error for records of a connection that was closed."""
        why = self._closed_by
        return StateError(str(why), passing=why.passing, reason=why.reason)

    def _check(self) -> None:
        """Raise StateError if another program has overwritten the file. Call it before a transaction."""
        if self._connection is not None:
            ruined = self._place.overwriting(self._connection, self._mark)
            if ruined is not None:
                raise ruined

    def _tend(self) -> None:
        """Fold the log back and read the sizes of the files, from time to time. Call it after a transaction."""
        now = self._clock()
        if now >= self._fold_at and self._connection is not None:
            self._fold_at = now + _FOLD_SECONDS
            self._mark = mark(self._connection) or self._mark
            fold(self._connection)
        if self._connection is not None:
            self._place.note_written()
        if now >= self._measure_at:
            self._measure_at = now + _MEASURE_SECONDS
            self._sizes = sizes(self.path)


@contextlib.contextmanager
def prepared(path: Path | None, clock: Callable[[], float] = time.monotonic) -> Iterator[SqliteState]:
    """Open the state at `path` for this program alone; without a path, in a temporary folder.

    `clock` measures elapsed seconds. When the block ends, the file alone holds everything: its log is folded back.

    Raises StateError if another program uses the file, if it is no state file, or if it is damaged: it is never
    overwritten.
    """
    if path is None:
        with _temporary() as folder, prepared(Path(folder) / "state.db", clock) as made:
            yield made
        return
    with contextlib.closing(Place(path)) as place, contextlib.closing(SqliteState(place, clock)) as state:
        with understanding(path):
            state.start()
        yield state


def _temporary() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="batch-exporter-")
    except OSError as error:
        raise StateError(f"{NO_TEMPORARY_FOLDER} ({error.strerror})") from error
