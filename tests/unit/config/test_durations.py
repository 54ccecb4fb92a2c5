"""Durations are read and written as Prometheus does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import durations

DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("7d", 7 * DAY),
        ("1w", 7 * DAY),
        ("1y", 365 * DAY),
        ("500ms", 0.5),
        ("1ms", 0.001),
        ("1y2w3d4h5m6s7ms", 365 * DAY + 14 * DAY + 3 * DAY + 4 * 3600 + 306.007),
        ("0h5m", 300.0),
        ("100y", 36500 * DAY),
        ("0" * 98 + "1s", 1.0),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a duration"),
        ("60", "needs a unit"),
        ("1.5", "needs a unit"),
        ("1.5h", "must be a duration"),
        ("-5m", "longer than 0"),
        ("0s", "longer than 0"),
        ("0", "needs a unit"),
        ("30m1h", "the largest first"),
        ("5m5m", "each unit may stand once"),
        ("5 m", "must be a duration"),
        ("5M", "must be a duration"),
        ("5m\n", "must be a duration"),
        ("٣s", "must be a duration"),
        ("100y1ms", "at most 100y"),
        ("0" * 99 + "1s", "must be a duration"),
        ("9" * 5000 + "s", "must be a duration"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        durations.parse(text)


@given(st.integers(1, 36_500 * 86_400_000))
def test_a_written_duration_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    assert durations.parse(durations.write(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(("seconds", "text"), [(5400.0, "1h30m"), (604_800.0, "7d"), (0.5, "500ms"), (60.0, "1m")])
def test_a_duration_is_written_with_the_largest_units_first(seconds: float, text: str) -> None:
    assert durations.write(seconds) == text


def outcome(text: str) -> float | str:
    try:
        return durations.parse(text)
    except ValueError as error:
        return str(error)


@given(st.text(max_size=12) | st.from_regex(r"\A-?[0-9.]{0,4}(ms|[ywdhms]| )?[0-9]{0,4}(ms|[ywdhms])?\Z"))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    result = outcome(text)
    assert result > 0 if isinstance(result, float) else result.startswith(("must be", "a duration", "each unit"))
