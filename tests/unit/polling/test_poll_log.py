"""However polls fail and succeed in turn, what is new is logged at once, and the log stays short and true."""

import itertools
import logging
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model.record import Reason
from exporter.polling.notices import AGAIN_SECONDS
from exporter.polling.poll_log import MOST_RECOVERIES, PollLog
from tests.support.rig import HOUR, Clock

LOGGER = "exporter.polling.poll_log"
Polls = Sequence[Reason | None]
"""Why each poll failed; None: it succeeded."""
TIMEOUT, SERVER, AUTH = Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.AUTH


def told(caplog: pytest.LogCaptureFixture, polls: Polls, interval: float = 60.0) -> list[tuple[float, str, int]]:
    """The lines at level info: when, what (a reason, or "recovered"), and how many polls it stands for."""
    clock = Clock(0.0)
    written = PollLog({"account": "prod", "collector": "x"}, clock)
    found = []
    with caplog.at_level(logging.INFO, logger=LOGGER):
        for reason in polls:
            caplog.clear()
            if reason is None:
                written.succeeded()
            else:
                written.failed(reason, "why")
            for record in caplog.records:
                what = "recovered" if record.getMessage() == "recovered" else str(record.__dict__["reason"])
                found.append((clock.now, what, int(record.__dict__.get("polls", 1))))
            clock.now += interval
    return found


@pytest.mark.parametrize(
    ("polls", "hours", "lines"),
    [
        pytest.param([None], 4, 0, id="all succeed"),
        pytest.param([TIMEOUT], 4, 4, id="one reason"),
        pytest.param([TIMEOUT, SERVER], 4, 8, id="two reasons in turn"),
        pytest.param([TIMEOUT, TIMEOUT, SERVER, AUTH], 4, 12, id="three reasons in turn"),
        pytest.param(list(Reason), 4, 4 * len(Reason), id="all reasons in turn"),
        # Five times a line of both kinds, and the failure after them, which stays until the oldest is an hour old.
        pytest.param([TIMEOUT, None], 4, 4 * (2 * MOST_RECOVERIES + 1), id="every second one succeeds"),
        pytest.param(
            [TIMEOUT, None, SERVER, None], 4, 4 * (2 * MOST_RECOVERIES + 2), id="others, and success, in turn"
        ),
        pytest.param([*[TIMEOUT] * 30, *[None] * 30], 4, 8, id="an outage an hour"),
    ],
)
def test_whatever_alternates_is_a_few_lines_an_hour(
    caplog: pytest.LogCaptureFixture, polls: Polls, hours: int, lines: int
) -> None:
    found = told(caplog, list(itertools.islice(itertools.cycle(polls), hours * 60)))
    assert len(found) <= lines
    assert bool(found) is bool(lines)


def test_a_reason_that_is_new_is_logged_at_once_and_with_all_of_its_polls_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = told(caplog, [TIMEOUT, SERVER, TIMEOUT, TIMEOUT, AUTH, *[SERVER] * 57, None, SERVER])
    assert found == [
        (0, "timeout", 1),
        (60, "server_error", 1),
        (240, "auth", 1),
        (3660, "server_error", 57),
        (3720, "recovered", 1),
        (3780, "server_error", 1),
    ]


def test_an_end_that_is_logged_late_says_when_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """After an incident in which polls failed and succeeded in turn, the log shows when it ended."""
    clock = Clock(0.0)
    written = PollLog({"account": "prod", "collector": "x"}, clock)
    ends = []
    with caplog.at_level(logging.INFO, logger=LOGGER):
        for reason in [*[TIMEOUT, None] * (MOST_RECOVERIES + 2), *[None] * 60]:
            caplog.clear()
            if reason is None:
                written.succeeded()
            else:
                written.failed(reason, "why")
            ends += [
                (clock.now, record.__dict__.get("seconds")) for record in caplog.records if "recovered" in record.msg
            ]
            clock.now += 60.0
    in_time = [(60.0 + 120.0 * number, None) for number in range(MOST_RECOVERIES)]
    last_success = 60.0 + 120.0 * (MOST_RECOVERIES + 1)
    assert ends == [*in_time, (60.0 + AGAIN_SECONDS, 60.0 + AGAIN_SECONDS - last_success)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    polls=st.lists(st.sampled_from([None, None, TIMEOUT, SERVER, AUTH]), max_size=150),
    interval=st.sampled_from([60.0, 400.0]),
)
def test_the_log_is_bounded_and_true_in_whichever_order_polls_fail(
    caplog: pytest.LogCaptureFixture, polls: Polls, interval: float
) -> None:
    calm = [None] * int(HOUR // interval + 2)
    found = told(caplog, [*polls, *calm], interval)
    for at, _, _ in found:
        within = [what for time, what, _ in found if at <= time < at + AGAIN_SECONDS]
        assert within.count("recovered") <= MOST_RECOVERIES
        assert all(within.count(reason) <= MOST_RECOVERIES + 1 for reason in Reason)
    for number, reason in enumerate(polls):
        if reason is not None:
            assert any(what == reason for at, what, _ in found if at <= number * interval), "what is new is logged"
    assert not found or found[-1][1] == "recovered", "after an hour of success"
    failed = sum(reason is not None for reason in polls)
    assert sum(count for _, what, count in found if what != "recovered") <= failed
