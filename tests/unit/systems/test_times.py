"""Reading the times in a server's answer."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import JSON
from exporter.systems.fields import Unreadable
from exporter.systems.times import epoch_time, iso_time

DAY = 86_400.0


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T00:00:01.500000Z", 1.5),
        ("1970-01-01T00:00:01", 1.0),
        ("1970-01-01T01:00:01+01:00", 1.0),
        ("1970-01-02t00:00:00z", DAY),
        (" 1970-01-02T00:00:00Z\n", DAY),
        ("1970-01-02 00:00:00", DAY),
        ("1970-01-02 00:00:00 +00:00", DAY),
        ("1970-01-02 00:00:00 UTC", DAY),
        ("1970-01-02T00:00:00GMT", DAY),
        ("1970-01-02 00:00:00.5 +0000 UTC", DAY + 0.5),
        ("1970-01-02T00:00:00Z[UTC]", DAY),
        ("1970-01-02T01:00:00+01:00[Europe/Paris][u-ca=iso8601]", DAY),
        ("1970-01-02T00:00Z", DAY),
        ("1970-01-02T00:00:00-00:00", DAY),
        ("1970-01-02T05:30:00+0530", DAY),
        ("1970-01-01T19:00:00-05", DAY),
        ("1970-01-02", DAY),
        ("19700102T000000Z", DAY),
        ("1970-01-01T24:00:00Z", DAY),
        ("1970-01-01T24:00:00.000Z", DAY),
        ("1970-01-01T23:59:60Z", DAY),
        ("1970-01-01T23:59:60.5Z", DAY + 0.5),
        ("1970-01-02T00:00:00,25Z", DAY + 0.25),
        ("1970-01-02T00:00:00." + "5" * 1000 + "Z", DAY + 0.555555),
        ("9999-12-31T23:59:59Z", 253_402_300_799.0),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(raw: str, seconds: float) -> None:
    assert iso_time(raw) == seconds


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_a_time_is_the_same_in_every_zone(moment: datetime, minutes: int) -> None:
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert iso_time(local.isoformat()) == moment.timestamp()


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "yesterday",
        "",
        "2023-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "0000-00-00 00:00:00",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T24:00:00Z",
        "2023-01-01T24:00:01Z",
        "2023-01-01T24:00:00.5Z",
        "2023-01-01T25:00:00Z",
        "2023-01-01T23:60:00Z",
        "2023-01-01T23:59:61Z",
        "2023-01-01T00:00:00+24:00",
        "2023-01-01T00:00:00+00:60",
        "2023-01-01T00:00:00.Z",
        "2023-01-01T00:00:00Z\x00",
        "2023-01-01T00:00:00ZZ",
        "2023-01-01T00:00:00 EST",
        "2023-01-01T00:00:00 UTC+1",
        "2023-01-01T00:00:00[Europe/Paris]",
        "2023-01-01[UTC]",
        "2023-01-01T00:00:00Z[UTC",
        "2023-01-01T00:00:00Z" + "[a]" * 99,
        "\u0662\u0660\u0662\u0663-01-01T00:00:00Z",
        "\ud800",
        "1" * 1_000_000,
    ],
)
def test_a_time_that_is_none_is_rejected(value: JSON) -> None:
    with pytest.raises(Unreadable, match="created_at"):
        iso_time(value)


@given(
    st.integers(int(datetime(1974, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2900, 1, 1, tzinfo=UTC).timestamp())),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
    st.booleans(),
)
def test_an_epoch_time_is_the_same_in_every_unit(seconds: int, unit: int, as_text: bool) -> None:
    """The usual unit depends on the language, and a server may be rewritten in another one."""
    number = seconds * unit
    assert epoch_time(str(number) if as_text else number, "created_at") == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("value", [0, -1, 1e30, float("inf"), float("nan"), True, None, "", "9" * 21, 10**400, [], {}])
def test_an_epoch_time_that_is_none_is_rejected(value: JSON) -> None:
    with pytest.raises(Unreadable, match="created_at"):
        epoch_time(value, "created_at")
