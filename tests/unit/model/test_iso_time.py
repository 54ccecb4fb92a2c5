"""Times as text, whatever a server takes for a time."""

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.iso_time import format_iso_time


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.9, "1970-01-01T00:00:00Z"),
        (1767323045.678, "2026-01-02T03:04:05Z"),
        (-1e15, "0001-01-01T00:00:00Z"),
        (253402300799.0 + 86400, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_written_to_the_second_and_one_beyond_the_calendar_as_its_end(seconds: float, written: str) -> None:
    assert format_iso_time(seconds) == written


def test_a_time_may_be_written_to_the_millisecond() -> None:
    assert format_iso_time(1767323045.678, "milliseconds") == "2026-01-02T03:04:05.678Z"


@given(st.floats(allow_nan=False))
def test_any_number_is_written_as_a_time(seconds: float) -> None:
    written = format_iso_time(seconds)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written)
    datetime.fromisoformat(written)
