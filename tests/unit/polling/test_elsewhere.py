"""Failed records of accounts that other replicas own: what is asked of the database, kept, and described."""

from collections.abc import Sequence

import pytest

from exporter.model.record import StateError
from exporter.model.totals import Failed
from exporter.polling.elsewhere import KEPT_SECONDS, MOST_FAILURES, FailuresElsewhere
from exporter.systems import sources
from tests.support.accounts import account

FAILED = Failed("ri_1", 1.0, 2.0, {("inkit_invocation_generations_finished_total", "email", "failed"): 1}, "letters")


class Database:
    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.error: StateError | None = None

    def read(self, accounts: Sequence[str], most: int) -> list[tuple[str, str, Failed]]:
        assert most == MOST_FAILURES
        self.asked.append(accounts)
        if self.error is not None:
            raise self.error
        return [("b", "invocations", FAILED)] if "b" in accounts else []


class Clock:
    now = 100.0


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def found(database: Database) -> FailuresElsewhere:
    accounts = [account(name) for name in "abc"]
    return FailuresElsewhere(
        database.read, lambda: accounts, lambda system: sources()[system].families, lambda: Clock.now
    )


def test_only_accounts_that_are_not_polled_here_are_asked_for_and_all_their_collectors_are_known(
    found: FailuresElsewhere, database: Database
) -> None:
    elsewhere = found({"a"}, ())
    assert database.asked == [["b", "c"]]
    assert {each.account for each in elsewhere.collectors} == {"b", "c"}
    (failed,) = [failure for each in elsewhere.collectors for failure in each.failures]
    assert (failed.record_id, failed.places, failed.statuses) == ("ri_1", ("email",), ("failed",))
    assert failed.alert


def test_a_filter_is_passed_on_and_names_only_what_is_configured(found: FailuresElsewhere, database: Database) -> None:
    found({"a"}, ("b", "x"))
    found({"a"}, ("a",))
    assert database.asked == [["b"]]


def test_an_answer_and_an_error_are_kept_for_a_while(
    found: FailuresElsewhere, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (None, StateError("it is down", passing=True)):
        database.asked, database.error = [], error
        for _ in range(3):
            elsewhere = found({"a"}, ())
            assert elsewhere.error == (None if error is None else "it is down")
            assert elsewhere.accounts_missing == (0 if error is None else 2)
        assert len(database.asked) == 1
        monkeypatch.setattr(Clock, "now", Clock.now + KEPT_SECONDS)


def test_no_more_than_a_few_answers_are_kept() -> None:
    database = Database()
    accounts = [account(f"a{number}") for number in range(100)]
    found = FailuresElsewhere(database.read, lambda: accounts, lambda system: sources()[system].families)
    for each in accounts:
        found((), (each.name,))
    found((), ("a99",))
    assert len(database.asked) == 100
    found((), ("a0",))
    assert len(database.asked) == 101
