"""Whatever intervals are set, an account that is accepted can work with them, and one that is refused says why."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Account, ConfigError, durations, load
from exporter.model.system import System
from tests.support.properties import examples

KEYS = (
    "poll_interval",
    "lookback",
    "reconcile_interval",
    "stuck_after",
    "in_flight_max_age",
    "stale_after",
    "request_timeout",
)
SECONDS = st.sampled_from([0.001, 0.01, 0.5, 1, 5, 30, 60, 61, 90, 600, 630, 3600, 7200, 86400, 7 * 86400, 31 * 86400])
INTERVALS = st.dictionaries(st.sampled_from(KEYS), SECONDS, max_size=5)
RATES = st.none() | st.sampled_from([0.001, 0.05, 1, 5, 1000])
NAMED = (*KEYS, "max_requests_per_second")


def lines(intervals: Mapping[str, float], rate: float | None, indent: str) -> str:
    text = "".join(f"{indent}{key}: {durations.write(value)}\n" for key, value in intervals.items())
    return text + ("" if rate is None else f"{indent}max_requests_per_second: {rate}\n")


def works(account: Account) -> bool:
    return (
        account.poll_interval >= 0.01
        and account.stale_after >= account.poll_interval + account.request_timeout
        and account.reconcile_interval >= account.poll_interval
        and account.lookback >= account.poll_interval
        and account.in_flight_max_age >= max(account.lookback, account.stuck_after)
        and account.stuck_after >= account.poll_interval
        and account.poll_interval * account.max_requests_per_second >= len(account.collectors) * (1 - 1e-6)
    )


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(top=INTERVALS, own=INTERVALS, rate=RATES, own_rate=RATES, system=st.sampled_from(["inkit", "packagex"]))
def test_an_account_that_is_accepted_can_work_and_one_that_is_not_names_a_key_that_is_set(
    top: Mapping[str, float],
    own: Mapping[str, float],
    rate: float | None,
    own_rate: float | None,
    system: str,
    systems: Mapping[str, System],
    written: Callable[[str], Path],
) -> None:
    account = f"- name: a\n  system: {system}\n  api_token: CANARY\n{lines(own, own_rate, '  ')}"
    path = written(f"{lines(top, rate, '')}accounts:\n{account}")
    try:
        config = load(path, systems, {})
    except ConfigError as error:
        assert {*top, *own, *(["max_requests_per_second"] if rate or own_rate else [])}
        for problem in error.problems:
            key = problem.path.rpartition(".")[2]
            assert key in own or key in top or (key == "max_requests_per_second" and (rate or own_rate)), str(problem)
            assert problem.line is not None
    else:
        assert works(config.accounts[0])


@pytest.mark.parametrize(
    "text", ["", "poll_interval: 5m", "poll_interval: 15s", "lookback: 31d", "lookback: 1y", "request_timeout: 5m"]
)
def test_a_sensible_key_alone_is_accepted(
    text: str, systems: Mapping[str, System], written: Callable[[str], Path]
) -> None:
    path = written(f"{text}\naccounts: [{{name: a, system: inkit, api_token: CANARY}}]")
    assert works(load(path, systems, {}).accounts[0])
