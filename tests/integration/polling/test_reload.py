"""Reading the configuration again: what comes of a good one and of a bad one, and one after the other."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli import serve
from exporter.cli.flags import parse
from exporter.config import Account, Config, ConfigError, Problem
from exporter.config.bounds import ConfiguredLimits
from exporter.config.diff import Changes, Outcome, changes
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.reload import Asked, Loading, Reloader
from tests.support.accounts import account
from tests.support.patience import GENEROUS

A, B = account("a"), account("b")
STATE = Path("state.db")


class Ran:
    """Stands for what runs the accounts."""

    def __init__(self) -> None:
        self.accounts: Sequence[Account] = (A,)
        self.under_way = 0
        self.stopping = False

    def change(self, accounts: Sequence[Account]) -> Changes:
        self.under_way += 1
        assert self.under_way == 1
        found = changes(self.accounts, accounts)
        self.accounts = accounts
        self.under_way -= 1
        return found


class Reloads:
    """A reloading at work, whose configuration is what a test says."""

    def __init__(self, file: str | None = "config.yaml") -> None:
        self.read: Config | Exception = Config((A,), STATE)
        self.notified: list[str] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.ran = Ran()
        self.store = SnapshotStore()
        self.live = SelfMetrics("1", "abc", self.store)
        self.asked: Asked = Asked()
        loading = Loading(self._load, file)
        self.reloading = Reloader(
            self.asked,
            loading,
            Config((A,), STATE),
            self.ran,  # type: ignore[arg-type]
            self.live,
            lambda: self.notified.append("begins"),
            lambda: self.notified.append("ends"),
        )
        self.reloading.start()

    def _load(self) -> Config:
        self.may_read.wait(GENEROUS)
        if isinstance(self.read, Exception):
            raise self.read
        return self.read

    def reload(self) -> Outcome:
        return self.reloading.ask().result(GENEROUS)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.live.registry.get_sample_value(f"batch_exporter_{name}", labels)


def test_a_program_that_has_begun_has_loaded_its_configuration() -> None:
    reloads = Reloads()
    assert reloads.metric("config_last_reload_successful") == 1
    assert (reloads.metric("config_last_reload_success_timestamp_seconds") or 0) > 1.7e9


def test_what_was_read_is_run_and_told_with_its_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reloads = Reloads()
    reloads.read = Config((B, replace(A, page_size=1)), STATE)
    assert reloads.reload() == Outcome(True, "Reloaded. Accounts: 1 added, 1 changed, 0 removed, 0 kept.")
    assert reloads.ran.accounts == reloads.read.accounts
    [notified] = caplog.records
    assert (notified.levelname, notified.getMessage()) == ("INFO", "reloaded")
    assert {key: notified.__dict__[key] for key in ("added", "changed", "removed", "kept")} == {
        "added": 1,
        "changed": 1,
        "removed": 0,
        "kept": 0,
    }


def test_a_bad_configuration_changes_nothing_and_all_its_problems_are_told(caplog: pytest.LogCaptureFixture) -> None:
    reloads = Reloads()
    before = reloads.metric("config_last_reload_success_timestamp_seconds")
    problems = [Problem("config.yaml", line, "accounts", f"is wrong in line {line}") for line in (3, 7)]
    reloads.read = ConfigError(problems)
    outcome = reloads.reload()
    assert not outcome.successful
    assert "config.yaml:3: accounts: is wrong in line 3\nconfig.yaml:7: accounts: is wrong in line 7" in outcome.message
    assert list(reloads.ran.accounts) == [A]
    assert reloads.metric("config_last_reload_successful") == 0
    assert reloads.metric("config_last_reload_success_timestamp_seconds") == before
    [notified] = caplog.records
    assert notified.levelname == "ERROR"
    assert all(str(problem) in notified.__dict__["err"] for problem in problems)


def test_a_good_one_after_a_bad_one_heals_it() -> None:
    reloads = Reloads()
    reloads.read = ConfigError([])
    assert not reloads.reload().successful
    reloads.read = Config((A,), STATE)
    assert reloads.reload().successful
    assert reloads.metric("config_last_reload_successful") == 1


def test_a_scrape_says_how_the_last_reload_ended_however_soon_it_comes() -> None:
    reloads = Reloads()
    exposition = Exposition(reloads.store, (), reloads.live.registry, clock=lambda: 0.0)
    assert b"config_last_reload_successful 1.0\n" in b"".join(exposition.render().chunks)
    reloads.read = ConfigError([])
    reloads.reload()
    assert b"config_last_reload_successful 0.0\n" in b"".join(exposition.render().chunks)


@pytest.mark.parametrize("path", [Path("other.db"), None])
def test_another_state_file_needs_a_restart(path: Path | None) -> None:
    reloads = Reloads()
    reloads.read = Config((B,), path)
    outcome = reloads.reload()
    assert not outcome.successful
    assert "config.yaml: state: can't be changed while the program runs: restart it" in outcome.message
    assert list(reloads.ran.accounts) == [A]


def test_other_limits_need_a_restart() -> None:
    reloads = Reloads()
    reloads.read = Config((B,), STATE, limits=ConfiguredLimits(max_workers=5))
    outcome = reloads.reload()
    assert not outcome.successful
    assert "config.yaml: limits: can't be changed while the program runs: restart it" in outcome.message
    assert list(reloads.ran.accounts) == [A]


def test_without_a_file_there_is_nothing_to_reload_and_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    reloads = Reloads(file=None)
    reloads.read = Config((B,), STATE)
    outcome = reloads.reload()
    assert outcome.successful
    assert "Nothing to reload" in outcome.message
    assert list(reloads.ran.accounts) == [A]
    assert "nothing to reload" in caplog.text


@pytest.mark.parametrize(("flags", "file"), [([], None), (["--config.file=x.yaml"], "x.yaml")])
def test_the_command_line_tells_what_there_is_to_reload(
    flags: list[str], file: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Loading] = []
    monkeypatch.setattr(serve, "serve", lambda _, loading: found.append(loading))
    serve.run(parse(flags))
    assert [problem.file for problem in found] == [file]


def test_the_requests_counted_for_an_account_leave_with_it_and_those_of_others_stay() -> None:
    reloads = Reloads()
    meters = [reloads.live.meter(name, "inkit") for name in ("a", "b")]
    for meter in meters:
        meter.answered("/batch", "200", 0.1)
    reloads.read = Config((B,), STATE)
    reloads.reload()
    meters[0].answered("/batch", "error", 0.1)
    labels = {"system": "inkit", "endpoint": "/batch", "code": "200"}
    assert reloads.metric("api_requests_total", account="b", **labels) == 1
    for name in ("api_requests_total", "api_throttled_seconds_total"):
        [family] = [
            family for family in reloads.live.registry.collect() if f"{family.name}_total" == f"batch_exporter_{name}"
        ]
        assert {sample.labels["account"] for sample in family.samples} == {"b"}
    assert reloads.live.meter("b", "inkit") is meters[1]


def test_reloads_are_done_one_after_the_other_and_each_reads_what_is_there_by_then() -> None:
    reloads = Reloads()
    reloads.may_read.clear()
    reloads.read = Config((B,), STATE)
    asked = [reloads.reloading.ask() for _ in range(3)]
    assert not any(future.done() for future in asked)
    reloads.may_read.set()
    notified = [future.result(GENEROUS).message for future in asked]
    assert [message.partition(": ")[2] for message in notified] == [
        "1 added, 0 changed, 1 removed, 0 kept.",
        "0 added, 0 changed, 0 removed, 1 kept.",
        "0 added, 0 changed, 0 removed, 1 kept.",
    ]


def test_who_asked_and_has_gone_does_not_stop_the_others() -> None:
    reloads = Reloads()
    reloads.may_read.clear()
    first, deleted, last = (reloads.reloading.ask() for _ in range(3))
    assert deleted.cancel()
    reloads.may_read.set()
    assert first.result(GENEROUS).successful
    assert last.result(GENEROUS).successful
    assert reloads.reloading.alive()


@pytest.mark.parametrize("error", [OSError("CANARY"), RuntimeError("CANARY"), RecursionError("CANARY"), MemoryError()])
def test_whatever_a_reload_raises_it_is_answered_and_the_next_one_is_done(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = Reloads()
    reloads.read = error
    outcome = reloads.reload()
    assert not outcome.successful
    assert "CANARY" not in outcome.message
    assert "internal error" in outcome.message
    assert reloads.reloading.failed() == outcome
    assert reloads.metric("config_last_reload_successful") == 0
    assert "internal error" in caplog.text
    reloads.read = Config((B,), STATE)
    assert reloads.reload().successful
    assert reloads.reloading.alive()
    assert reloads.reloading.failed() is None
    assert reloads.metric("config_last_reload_successful") == 1


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_reload_while_the_program_stops_is_none_and_logs_nothing(when: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    reloads = Reloads()
    reloads.read = Config((B,), STATE)
    reloads.may_read.clear()
    reloads.ran.stopping = when == "before"
    asked = reloads.reloading.ask()
    if when == "meanwhile":
        while not reloads.notified:
            time.sleep(0.001)
        reloads.ran.stopping = True
    reloads.may_read.set()
    assert asked.result(GENEROUS) == Outcome(False, "Not reloaded: the exporter is stopping.")
    assert caplog.records == []
    assert reloads.notified == ([] if when == "before" else ["begins"])
    assert reloads.reloading.failed() is None
    assert reloads.metric("config_last_reload_successful") == 1


def test_a_change_that_raises_is_answered_too() -> None:
    reloads = Reloads()
    reloads.ran.change = lambda _: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    assert not reloads.reload().successful
    assert reloads.reloading.alive()


def test_how_the_last_reload_failed_is_known_until_one_succeeds() -> None:
    reloads = Reloads()
    assert reloads.reloading.failed() is None
    reloads.read = ConfigError([Problem("config.yaml", 3, "accounts", "is wrong")])
    outcome = reloads.reload()
    assert reloads.reloading.failed() == outcome
    reloads.read = Config((A,), STATE)
    reloads.reload()
    assert reloads.reloading.failed() is None


@pytest.mark.parametrize("read", [Config((B,), STATE), ConfigError([]), RuntimeError()])
def test_the_service_manager_is_told_when_a_reload_begins_and_ends_however_it_ends(read: Config | Exception) -> None:
    reloads = Reloads()
    reloads.read = read
    reloads.reload()
    assert reloads.notified == ["begins", "ends"]
