"""What a poll finds is a line in the log when it begins and once an hour, however many records and values it is."""

import logging
from collections import Counter

import pytest

from exporter.polling.collector.result import MOST_VALUES_LOGGED, Change, PollResult
from exporter.polling.notices import Notices

LOGGER = "exporter.polling.collector.result"
WHERE = {"account": "prod", "collector": "invocations"}


def day(caplog: pytest.LogCaptureFixture, level: int, interval: int = 60) -> list[logging.LogRecord]:
    """Return the lines of a day in which each poll finds a record of each kind, with values that are new each time."""
    notices = Notices()
    with caplog.at_level(level, logger=LOGGER):
        for now in range(0, 86_400, interval):
            result = PollResult(
                Counter({"id": 1, "status": 1}),
                Counter({("status", f"odd {now} {number}"): 1 for number in range(3)}),
                [f"rb_{now}_{number}" for number in range(7)],
                [f"rb_old_{now}"],
            )
            result.log(WHERE, notices, now)
    return [record for record in caplog.records if record.name == LOGGER]


def test_whatever_each_poll_finds_is_a_bounded_number_of_lines_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    lines = day(caplog, logging.INFO)
    kinds = Counter(line.getMessage() for line in lines)
    assert kinds.pop("a value that the API's documentation does not name") <= 24 * (MOST_VALUES_LOGGED + 1)
    assert kinds == {
        "skipped records that can't be understood": 2 * 24,
        "gave up on records in flight for longer than in_flight_max_age": 24,
        "records deleted upstream": 24,
    }
    records: Counter[str] = Counter()
    for line in lines:
        records[line.getMessage()] += vars(line)["records"]
    assert 7 * 23 * 60 < records["records deleted upstream"] <= 7 * 24 * 60, "each is in a line"
    assert 3 * 23 * 60 < records["a value that the API's documentation does not name"] <= 3 * 24 * 60


def test_values_beyond_the_first_are_one_line_for_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER):
        PollResult(unknown=Counter({("status", f"odd {n}"): 1 for n in range(1000)})).log(WHERE, Notices(), 0)
    shown = [vars(record) for record in caplog.records if record.name == LOGGER]
    assert len(shown) == MOST_VALUES_LOGGED + 1
    assert (shown[-1]["value"], shown[-1]["records"]) == ("(others)", 1000 - MOST_VALUES_LOGGED)


def test_at_level_debug_each_poll_has_a_line_with_the_first_ids(caplog: pytest.LogCaptureFixture) -> None:
    lines = [vars(line) for line in day(caplog, logging.DEBUG, 3000) if line.levelno == logging.DEBUG]
    deleted = [line for line in lines if line["msg"] % line["args"] == "records deleted"]
    assert [line["records"] for line in deleted] == [7] * 29
    assert deleted[1]["ids"] == "rb_3000_0,rb_3000_1,rb_3000_2,rb_3000_3,rb_3000_4"


@pytest.mark.parametrize("alternates", [1, 2, 3])
def test_what_alternates_from_poll_to_poll_is_logged_at_once_and_then_once_an_hour(
    caplog: pytest.LogCaptureFixture, alternates: int
) -> None:
    notices = Notices()
    with caplog.at_level(logging.INFO, logger=LOGGER):
        for poll in range(24 * 60):
            result = PollResult(changes=[Change(logging.INFO, f"list is {poll % alternates}", {"page": poll})])
            result.log(WHERE, notices, poll * 60.0)
    lines = [vars(record) for record in caplog.records if record.name == LOGGER]
    assert Counter(line["message"] for line in lines) == {f"list is {n}": 24 for n in range(alternates)}
    assert [line["page"] for line in lines[:alternates]] == list(range(alternates))
    assert {line.get("times") for line in lines} == {None, 60 // alternates}
