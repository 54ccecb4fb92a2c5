"""What is wrong, in which order, and the advice for it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.diff import Outcome
from exporter.exposition.snapshot import CollectorSnapshot, Failure, Snapshot
from exporter.exposition.status import CollectorStatus
from exporter.model.record import LAST_FAILURES, Reason
from exporter.model.system import System
from exporter.systems import sources
from exporter.web.pages.problems import ADVICE, Problem, problems
from exporter.web.pages.runbooks import PAGE, runbook
from tests.support.examples import FOREVER, MINUTE, NOW, calm, failure, polled, with_problems
from tests.support.paths import ROOT

RUNBOOKS = (ROOT / "docs" / "alerts.md").read_text()
WELL = polled(True, True, NOW, 1, 1)


def collector(
    status: CollectorStatus = WELL,
    name: str = "batches",
    account: str = "a",
    fresh_until: float = FOREVER,
    failures: tuple[Failure, ...] = (),
) -> CollectorSnapshot:
    return CollectorSnapshot(account, "inkit", name, {}, fresh_until, {}, status, failures)


def found(*collectors: CollectorSnapshot, healthy: bool = True) -> list[Problem]:
    return problems(Snapshot(1, collectors), NOW, NOW, healthy=healthy)


def failing(
    reason: Reason | None = Reason.TLS, error: str = "broken", success: float | None = NOW - 60
) -> CollectorStatus:
    return polled(False, True, success, 1, 1, error, reason)


def test_where_nothing_is_wrong_there_is_no_problem() -> None:
    assert problems(calm().snapshot, NOW, NOW, healthy=True) == []
    assert found() == []


def test_the_worst_comes_first() -> None:
    whole = problems(with_problems().snapshot, NOW, NOW, healthy=False)
    assert [(problem.level, problem.summary) for problem in whole] == [
        ("bad", "A poll loop has ended: its collector is no longer polled."),
        ("bad", "staging: polls of document_batches, invocations fail."),
        ("bad", "logistics: polls of batches fail."),
        ("warn", "production: 4 records failed in the last hour."),
        ("warn", "logistics: 1 record failed in the last hour."),
        ("note", "archive: the first backfill of invocations is in progress."),
    ]


def test_collectors_of_an_account_that_fail_alike_are_one_problem() -> None:
    alike = (collector(failing(), "x"), collector(failing(), "y"))
    assert [problem.summary for problem in found(*alike)] == ["a: polls of x, y fail."]
    apart = (collector(failing(), "x"), collector(failing(error="other"), "y"))
    assert len(found(*apart)) == 2


def test_one_cause_for_many_accounts_is_one_problem_that_lists_some_of_them() -> None:
    down = [collector(failing(), name, f"a{number}") for number in range(1200) for name in ("batches", "invocations")]
    [problem] = found(*down, collector(account="well"))
    assert problem.summary == "1,200 accounts: polls fail."
    assert problem.details == [
        "broken",
        *(f"a{number}: batches, invocations" for number in range(5)),
        "And 1,195 more.",
        "The metrics keep their last values: the last poll that succeeded was 1 min ago.",
    ]


def test_accounts_that_fail_differently_or_whose_metrics_are_gone_are_problems_of_their_own() -> None:
    summaries = [
        problem.summary
        for problem in found(
            collector(failing(), account="a"),
            collector(failing(), account="b"),
            collector(failing(error="refused"), account="c"),
            collector(failing(Reason.AUTH), account="d"),
            collector(failing(), account="e", fresh_until=NOW - 1),
        )
    ]
    assert summaries == [
        "e: polls of batches fail.",
        "2 accounts: polls fail.",
        "c: polls of batches fail.",
        "d: polls of batches fail.",
    ]


def test_a_problem_says_what_became_of_the_metrics() -> None:
    def impact(success: float | None, fresh_until: float) -> str:
        (problem,) = found(collector(failing(success=success), fresh_until=fresh_until))
        return problem.details[-1]

    assert impact(NOW - 60, NOW) == "The metrics keep their last values: the last poll that succeeded was 1 min ago."
    assert (
        impact(NOW - 900, NOW - 300)
        == "The metrics are stale and dropped: the last poll that succeeded was 15 min ago."
    )
    assert impact(None, 0.0) == "No poll has ever succeeded, so there are no metrics."


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_advice_and_a_runbook(reason: Reason) -> None:
    (problem,) = found(collector(failing(reason)))
    assert problem.fix == ADVICE[reason].fix
    assert f"\n### {problem.alert}\n" in RUNBOOKS
    assert reason in Path(ROOT / "docs" / "alerts.md").read_text()


def test_a_failure_without_a_reason_sends_to_the_log() -> None:
    (problem,) = found(collector(failing(None)))
    assert "log" in problem.fix


def test_a_poll_that_does_not_end_is_a_problem_once_its_metrics_are_dropped() -> None:
    assert found(collector(polled(True, True, NOW - 900, 1, 1), fresh_until=NOW)) == []
    (problem,) = found(collector(polled(True, True, NOW - 900, 1, 1), fresh_until=NOW - 1))
    assert (problem.level, problem.summary) == ("bad", "a: no poll of batches has ended within stale_after.")
    assert problem.details == ["The metrics are stale and dropped: the last poll that succeeded was 15 min ago."]


def stuck(count: int, oldest: float | None = NOW - 7200) -> CollectorStatus:
    status = polled(True, True, NOW, 9, 9, oldest_in_flight=oldest, stuck=count)
    return replace(status, stuck_alert="InkitInFlightTooLong")


def test_stuck_records_are_one_problem_for_each_account_with_the_alert_s_runbook() -> None:
    (problem,) = found(collector(stuck(1_000), "x"), collector(name="y"), collector(stuck(2, None), "z"))
    assert (problem.level, problem.alert) == ("warn", "InkitInFlightTooLong")
    assert problem.summary == "a: 1,002 records are stuck, in flight for longer than stuck_after."
    assert problem.details == ["x: 1,000, the oldest for 2 h.", "z: 2."]
    assert problem.fix
    assert found(collector(stuck(1)))[0].summary == "a: 1 record is stuck, in flight for longer than stuck_after."
    assert len(found(collector(stuck(1)), collector(stuck(1), account="b"))) == 2


def test_a_problem_names_the_oldest_stuck_records() -> None:
    (problem,) = found(collector(replace(stuck(2), stuck_ids=("rb_1", "rb_2")), "x"))
    assert problem.details == ["x: 2, the oldest for 2 h (rb_1, rb_2)."]


def test_stuck_records_stand_before_failed_ones_and_are_dropped_with_the_stale_metrics() -> None:
    both = found(collector(stuck(1), failures=(failure("rb_1", MINUTE),)))
    assert [problem.summary.split()[3] for problem in both] == ["is", "failed"]
    assert "stuck" not in "".join(problem.summary for problem in found(collector(stuck(1), fresh_until=NOW - 1)))


def test_stuck_records_lead_to_the_runbook_of_the_alert_about_them() -> None:
    rules = (ROOT / "prometheus" / "rules" / "in-flight.yml").read_text()
    named = re.findall(r'alert: (\w+)\n +expr: .*batch_exporter_records_stuck\{system="(\w+)"\}', rules)
    assert {system: alert for alert, system in named} == {
        name: source.system.stuck_alert for name, source in sources().items()
    }
    for alert in ("InkitInFlightTooLong", System("another", "", "", "", (), ()).stuck_alert):
        (problem,) = found(collector(replace(stuck(1), stuck_alert=alert)))
        assert problem.alert == alert
        assert f"alert: {alert}\n" in rules
        assert f"\n### {alert}\n" in RUNBOOKS


def test_failures_are_counted_by_account_for_an_hour() -> None:
    old, new = failure("old", 61 * MINUTE), failure("new", 59 * MINUTE)
    (problem,) = found(collector(failures=(new, old)), collector(name="others", failures=(new,)))
    assert (problem.summary, problem.account) == ("a: 2 records failed in the last hour.", "a")
    assert found(collector(failures=(old,))) == []


def test_where_as_many_have_failed_as_are_remembered_there_may_be_more() -> None:
    many = tuple(failure(f"r{number}", 1.0) for number in range(LAST_FAILURES))
    (problem,) = found(collector(failures=many), collector(name="others", failures=many[:1]))
    assert problem.summary == f"a: {LAST_FAILURES + 1} or more records failed in the last hour."


def test_a_backfill_is_listed_with_its_progress() -> None:
    reading = polled(None, False, None, 12_000, 3)
    (problem,) = found(collector(reading), collector(reading, "others"))
    assert problem.level == "note"
    assert problem.details == [
        "24,006 records so far. Metrics appear when it is complete. A restart continues where it was."
    ]


def test_a_reload_that_failed_is_a_problem_with_its_errors() -> None:
    failed = Outcome(False, "It failed.\n" + "\n".join(f"config.yaml:{line}: wrong" for line in range(1, 9)))
    (problem,) = problems(Snapshot(1, ()), NOW, NOW, healthy=True, reload_failed=failed)
    assert (problem.level, problem.summary, problem.alert) == (
        "bad",
        "The last reload failed.",
        "BatchExporterConfigReloadFailed",
    )
    assert list(problem.details) == [
        "It failed.",
        *(f"config.yaml:{line}: wrong" for line in range(1, 6)),
        "And 3 more.",
    ]


def test_what_to_do_about_the_state_is_in_its_message() -> None:
    assert ADVICE[Reason.STATE].fix.startswith("Do what the message says.")
    assert "The disk is not at fault" in ADVICE[Reason.STATE_LOCKED].fix


def test_the_runbooks_are_those_the_rules_lead_to() -> None:
    rules = "".join(path.read_text() for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")))
    urls = dict(re.findall(r"alert: (\w+)$.*?runbook_url: (\S+)$", rules, re.MULTILINE | re.DOTALL))
    assert len(urls) > 10
    assert urls == {alert: f"http://localhost:10977{runbook(alert)}" for alert in urls}
    assert runbook("") == PAGE
