"""What is set for one collector holds for it alone, and everything that follows from it does too."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Account, ConfigError, Polling, durations, load
from exporter.model.system import System
from tests.support.properties import examples

Systems = Mapping[str, System]
Written = Callable[[str | bytes], Path]
KEYS = ("poll_interval", "lookback", "reconcile_interval", "stuck_after", "in_flight_max_age", "stale_after")
SECONDS = st.sampled_from([0.001, 0.01, 1, 30, 60, 600, 630, 3600, 86400, 7 * 86400, 31 * 86400])
INTERVALS = st.dictionaries(st.sampled_from(KEYS), SECONDS, max_size=4)
OWN = st.dictionaries(st.sampled_from(["invocations", "document_batches", "workflow_batches"]), INTERVALS, max_size=3)


def read(systems: Systems, written: Written, account: str, top: str = "") -> Account:
    return load(
        written(f"{top}\naccounts: [{{name: a, system: inkit, api_token: CANARY, {account}}}]"), systems, {}
    ).accounts[0]


def test_the_nearest_level_that_sets_a_key_decides(systems: Systems, written: Written) -> None:
    account = read(
        systems,
        written,
        "lookback: 8d, page_size: 50, per_collector: {invocations: {lookback: 1d, duration_buckets: [5]}}",
        "poll_interval: 30s\nlookback: 9d\nduration_buckets: [1m]",
    )
    invocations, batches = account.polling("invocations"), account.polling("document_batches")
    assert (invocations.lookback, batches.lookback) == (86400.0, 8 * 86400.0)
    assert (invocations.poll_interval, batches.poll_interval) == (30.0, 30.0)
    assert (invocations.page_size, batches.page_size) == (50, 50)
    assert (invocations.duration_buckets, batches.duration_buckets) == ((5.0,), (60.0,))


def test_null_for_a_collector_is_the_bounds_of_its_system_again(systems: Systems, written: Written) -> None:
    account = read(systems, written, "duration_buckets: [1m], per_collector: {invocations: {duration_buckets: null}}")
    assert account.polling("invocations").duration_buckets is None


def test_a_default_follows_the_keys_of_its_collector(systems: Systems, written: Written) -> None:
    account = read(
        systems,
        written,
        "per_collector: {invocations: {lookback: 60d, poll_interval: 2h, stale_after: 3h, reconcile_interval: 2h}}",
    )
    invocations = account.polling("invocations")
    assert (invocations.in_flight_max_age, invocations.stuck_after) == (60 * 86400.0, 7200.0)
    assert (account.in_flight_max_age, account.stuck_after) == (30 * 86400.0, 3600.0)


def lines(intervals: Mapping[str, float]) -> str:
    return ", ".join(f"{key}: {durations.write(value)}" for key, value in intervals.items())


def works(polling: Polling, timeout: float) -> bool:
    return (
        polling.poll_interval >= 0.01
        and polling.stale_after >= polling.poll_interval + timeout
        and polling.reconcile_interval >= polling.poll_interval
        and polling.lookback >= polling.poll_interval
        and polling.in_flight_max_age >= max(polling.lookback, polling.stuck_after)
        and polling.stuck_after >= polling.poll_interval
    )


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(account=INTERVALS, own=OWN, rate=st.sampled_from([0.05, 1, 1000]))
def test_an_account_that_is_accepted_can_work_and_one_that_is_not_names_a_key_that_is_set(
    account: Mapping[str, float],
    own: Mapping[str, Mapping[str, float]],
    rate: float,
    systems: Systems,
    written: Written,
) -> None:
    collectors = ", ".join(f"{name}: {{{lines(intervals)}}}" for name, intervals in own.items())
    text = f"max_requests_per_second: {rate}, per_collector: {{{collectors}}}, {lines(account)}"
    try:
        made = read(systems, written, text)
    except ConfigError as error:
        for problem in error.problems:
            place, _, key = problem.path.rpartition(".")
            named = own.get(place.rpartition(".")[2], account) if "per_collector" in place else account
            assert key in named or key == "max_requests_per_second", str(problem)
    else:
        each = [made.polling(name) for name in made.collectors]
        assert all(works(polling, made.request_timeout) for polling in each)
        assert sum(1 / polling.poll_interval for polling in each) <= made.max_requests_per_second * (1 + 1e-6)


def test_a_collector_that_sets_nothing_is_polled_as_its_account(systems: Systems, written: Written) -> None:
    account = read(systems, written, "per_collector: {invocations: {}}, lookback: 3d")
    plain = asdict(account)
    assert asdict(account.polling("invocations")) == {key: plain[key] for key in asdict(account.polling("invocations"))}


@pytest.mark.parametrize("size", [999, 1000])
def test_the_page_size_of_a_collector_is_judged_by_the_largest_answer(
    size: int, systems: Systems, written: Written
) -> None:
    limits = "limits: {max_response_bytes: 999KiB}"
    text = f"per_collector: {{invocations: {{page_size: {size}}}}}"
    if size == 999:
        assert read(systems, written, text, limits).polling("invocations").page_size == 999
        return
    with pytest.raises(ConfigError, match=r"per_collector\.invocations\.page_size: a page of 1000 records has about"):
        read(systems, written, text, limits)
