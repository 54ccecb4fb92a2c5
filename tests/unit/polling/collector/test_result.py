"""What poll after poll finds is logged at once, and then once an hour."""

import logging

import pytest

from exporter.polling.collector.result import PollResult
from exporter.polling.notices import Notices

LOGGER = "exporter.polling.collector.result"
WHERE = {"account": "prod", "collector": "invocations"}


@pytest.mark.parametrize(
    ("found", "message", "level"),
    [
        ({"deleted": 2}, "records deleted upstream", logging.INFO),
        ({"abandoned": 2}, "gave up on records in flight for longer than in_flight_max_age", logging.WARNING),
    ],
)
def test_records_that_go_poll_after_poll_are_logged_at_once_and_then_once_an_hour_with_their_sum(
    found: dict[str, int], message: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    notices = Notices()
    with caplog.at_level(logging.INFO, LOGGER):
        for poll in range(100):
            PollResult(**found).log(WHERE, notices, poll * 60.0)  # type: ignore[arg-type]
            PollResult().log(WHERE, notices, poll * 60.0)
    records = [record for record in caplog.records if record.name == LOGGER]
    assert [(record.getMessage(), record.levelno) for record in records] == [(message, level)] * 2
    assert [vars(record)["records"] for record in records] == [2, 120]
