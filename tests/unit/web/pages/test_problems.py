"""What is wrong, in which order, and what is said to do about it."""

import re
from pathlib import Path

import pytest

from exporter.config.diff import Outcome
from exporter.exposition.snapshot import CollectorSnapshot, Failure, Health, Snapshot
from exporter.model.record import LAST_FAILURES, Reason
from exporter.web.pages.problems import ADVICE, Problem, problems
from exporter.web.pages.runbooks import PAGE, runbook
from tests.support.examples import FOREVER, MINUTE, NOW, calm, failure, troubled
from tests.support.paths import ROOT

RUNBOOKS = (ROOT / "docs" / "alerts.md").read_text()
WELL = Health(True, True, NOW, 1, 1)


def collector(
    health: Health = WELL,
    name: str = "batches",
    account: str = "a",
    fresh_until: float = FOREVER,
    failures: tuple[Failure, ...] = (),
) -> CollectorSnapshot:
    return CollectorSnapshot(account, "inkit", name, {}, fresh_until, {}, health, failures)


def found(*collectors: CollectorSnapshot, healthy: bool = True) -> list[Problem]:
    return problems(Snapshot(1, collectors), NOW, NOW, healthy=healthy)


def failing(reason: Reason | None = Reason.TLS, error: str = "broken", success: float | None = NOW - 60) -> Health:
    return Health(False, True, success, 1, 1, error, reason)


def test_where_nothing_is_wrong_there_is_no_problem() -> None:
    assert problems(calm().snapshot, NOW, NOW, healthy=True) == []
    assert found() == []


def test_the_worst_comes_first() -> None:
    whole = problems(troubled().snapshot, NOW, NOW, healthy=False)
    assert [(one.level, one.what) for one in whole] == [
        ("bad", "A poll loop has ended: its collector is not polled any more."),
        ("bad", "staging: polls of document_batches, invocations fail."),
        ("bad", "logistics: polls of batches fail."),
        ("warn", "production: 4 records have failed in the last hour."),
        ("warn", "logistics: 1 record has failed in the last hour."),
        ("note", "archive: the window of invocations is being read for the first time."),
    ]


def test_collectors_of_an_account_that_fail_alike_are_one_problem() -> None:
    alike = (collector(failing(), "x"), collector(failing(), "y"))
    assert [one.what for one in found(*alike)] == ["a: polls of x, y fail."]
    apart = (collector(failing(), "x"), collector(failing(error="other"), "y"), collector(failing(), "z", "b"))
    assert len(found(*apart)) == 3


def test_it_is_said_what_has_become_of_the_metrics() -> None:
    def said(success: float | None, fresh_until: float) -> str:
        (one,) = found(collector(failing(success=success), fresh_until=fresh_until))
        return one.why[-1]

    assert said(NOW - 60, NOW) == "The metrics stand still: the last success was 1 min ago."
    assert said(NOW - 900, NOW - 300) == "The metrics are withdrawn: the last success was 15 min ago."
    assert said(None, 0.0) == "No poll has ever succeeded, so there are no metrics."


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_advice_and_a_runbook(reason: Reason) -> None:
    (one,) = found(collector(failing(reason)))
    assert one.do == ADVICE[reason].do
    assert f"\n### {one.alert}\n" in RUNBOOKS
    assert reason in Path(ROOT / "docs" / "alerts.md").read_text()


def test_a_failure_without_a_reason_sends_to_the_log() -> None:
    (one,) = found(collector(failing(None)))
    assert "log" in one.do


def test_a_poll_that_does_not_end_is_a_problem_once_its_metrics_are_withdrawn() -> None:
    assert found(collector(Health(True, True, NOW - 900, 1, 1), fresh_until=NOW)) == []
    (one,) = found(collector(Health(True, True, NOW - 900, 1, 1), fresh_until=NOW - 1))
    assert (one.level, one.what) == ("bad", "a: no poll of batches has ended for too long.")
    assert one.why == ["The last one succeeded 15 min ago: its metrics are withdrawn."]


def test_failures_are_told_by_account_for_an_hour() -> None:
    old, new = failure("old", 61 * MINUTE), failure("new", 59 * MINUTE)
    (one,) = found(collector(failures=(new, old)), collector(name="others", failures=(new,)))
    assert (one.what, one.account) == ("a: 2 records have failed in the last hour.", "a")
    assert found(collector(failures=(old,))) == []


def test_where_as_many_have_failed_as_are_remembered_there_may_be_more() -> None:
    many = tuple(failure(f"r{number}", 1.0) for number in range(LAST_FAILURES))
    (one,) = found(collector(failures=many), collector(name="others", failures=many[:1]))
    assert one.what == f"a: {LAST_FAILURES + 1} or more records have failed in the last hour."


def test_a_window_that_is_being_read_is_told_with_how_far_that_is() -> None:
    reading = Health(None, False, None, 12_000, 3)
    (one,) = found(collector(reading), collector(reading, "others"))
    assert one.level == "note"
    assert one.why == ["24,006 records so far. There are metrics once it is done; a restart goes on where it was."]


def test_a_reload_that_failed_is_a_problem_with_its_mistakes() -> None:
    failed = Outcome(False, "It failed.\n" + "\n".join(f"config.yaml:{line}: wrong" for line in range(1, 9)))
    (one,) = problems(Snapshot(1, ()), NOW, NOW, healthy=True, reload_failed=failed)
    assert (one.level, one.what, one.alert) == ("bad", "The last reload failed.", "BatchExporterConfigReloadFailed")
    assert list(one.why) == ["It failed.", *(f"config.yaml:{line}: wrong" for line in range(1, 6)), "And 3 more."]


def test_what_to_do_about_the_state_is_in_its_message() -> None:
    assert ADVICE[Reason.STATE].do.startswith("Do what the message says.")


def test_the_runbooks_are_those_the_rules_lead_to() -> None:
    rules = "".join(path.read_text() for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")))
    urls = dict(re.findall(r"alert: (\w+)$.*?runbook_url: (\S+)$", rules, re.MULTILINE | re.DOTALL))
    assert len(urls) > 10
    assert urls == {alert: f"http://localhost:10977{runbook(alert)}" for alert in urls}
    assert runbook("") == PAGE
