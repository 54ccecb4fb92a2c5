"""What could not be restored is one line of the log for each cause, however many accounts have it."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model.record import StateError
from exporter.polling.unrestored import Unrestored

CAUSES = st.sampled_from([StateError("disk is full"), StateError("it is damaged"), ValueError("a bug")])
ACCOUNTS = st.integers(0, 30).map("a{:02}".format)


@given(st.lists(st.tuples(ACCOUNTS, CAUSES), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_cause_is_one_line_with_its_accounts(
    caplog: pytest.LogCaptureFixture, failures: list[tuple[str, Exception]]
) -> None:
    caplog.clear()
    unrestored = Unrestored()
    for account, error in failures:
        unrestored.note(account, error)
    with caplog.at_level(logging.ERROR, logger="exporter.polling.unrestored"):
        unrestored.log()
    causes = {str(error) for _, error in failures}
    assert len(caplog.records) == len(causes)
    for line in caplog.records:
        cause = vars(line).get("err") or (str(line.exc_info[1]) if line.exc_info else None)
        accounts = sorted({account for account, error in failures if str(error) == cause})
        assert vars(line)["accounts"] == len(accounts) > 0
        assert vars(line)["names"].split(", ")[:5] == accounts[:5]
