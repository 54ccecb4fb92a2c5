"""The failed records of accounts that other replicas own, from the database that all share."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.config import Account
from exporter.exposition.failed_records import FailedRecords
from exporter.exposition.snapshot import CollectorSnapshot, Elsewhere, Failure
from exporter.model.family import Family
from exporter.model.record import StateError
from exporter.model.totals import Failed

KEPT_SECONDS = 5.0
"""How long an answer of the database, or its error, is kept."""
MOST_FAILURES = 10_000
"""The maximum number of failures that are read: the last ones."""
_MOST_ANSWERS = 16
"""How many answers are kept, each for other accounts."""


Read = Callable[[Sequence[str], int], Iterable[tuple[str, str, Failed]]]
"""Reads the last failures of these accounts from the database, so many at most: the account, the collector and what
failed. It waits in the caller's thread. Raises StateError, soon."""


@dataclass(frozen=True, slots=True)
class _Answer:
    until: float
    failures: Mapping[tuple[str, str], Sequence[Failed]]
    error: str | None


class FailuresElsewhere:
    """Reads and describes the failed records of accounts that this replica does not poll. One thread at a time."""

    def __init__(
        self,
        read: Read,
        accounts: Callable[[], Iterable[Account]],
        families: Callable[[str], Sequence[Family]],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`accounts` returns those of the configuration, `families` those of a system, by its name."""
        self._read = read
        self._accounts = accounts
        self._families = families
        self._ticks = ticks
        self._answers: dict[frozenset[str], _Answer] = {}

    def __call__(self, here: Collection[str], asked: Collection[str]) -> Elsewhere:
        """Return the failures of all accounts but those that are polled here. `asked`: of these alone, if any.

        It waits for the database, at most as long as one call of it may take.
        """
        accounts = {account.name: account for account in self._accounts() if account.name not in here}
        wanted = frozenset(name for name in accounts if not asked or name in asked)
        answer = self._answer(wanted) if wanted else _Answer(0.0, {}, None)
        collectors = [
            self._snapshot(account, collector, answer.failures.get((name, collector), ()))
            for name, account in accounts.items()
            for collector in account.collectors
        ]
        missing = len(wanted) if answer.error is not None else 0
        return Elsewhere(tuple(collectors), answer.error, missing)

    def _answer(self, wanted: frozenset[str]) -> _Answer:
        now = self._ticks()
        self._answers = {names: kept for names, kept in self._answers.items() if kept.until > now}
        found = self._answers.get(wanted)
        if found is None:
            while len(self._answers) >= _MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
            found = self._answers[wanted] = self._asked(wanted)
        return found

    def _asked(self, wanted: frozenset[str]) -> _Answer:
        failures: dict[tuple[str, str], list[Failed]] = {}
        error = None
        try:
            for account, collector, failed in self._read(sorted(wanted), MOST_FAILURES):
                failures.setdefault((account, collector), []).append(failed)
        except StateError as caught:
            error = str(caught)
        return _Answer(self._ticks() + KEPT_SECONDS, failures, error)

    def _snapshot(self, account: Account, collector: str, failed: Sequence[Failed]) -> CollectorSnapshot:
        described: tuple[Failure, ...] = ()
        if failed:
            described = FailedRecords(self._families(account.system)).describe(failed)
        return CollectorSnapshot(account.name, account.system, collector, failures=described)
