"""What an API states of its own rate limit, in all the ways in which APIs do."""

import email.utils
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from exporter.client.rate_limit_headers import ApiLimit, api_limit

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:50 GMT"
"""Half a minute after NOW."""


def stated(headers: Mapping[str, str], now: float = NOW) -> ApiLimit | None:
    return api_limit(CaseInsensitiveDict(headers), now)


def classic(limit: str, remaining: str, reset: str, prefix: str = "X-RateLimit-") -> dict[str, str]:
    return {f"{prefix}Limit": limit, f"{prefix}Remaining": remaining, f"{prefix}Reset": reset}


SPELLINGS = (
    "X-RateLimit-",
    "X-Rate-Limit-",
    "RateLimit-",
    "Rate-Limit-",
    "x-ratelimit-",
    "X-RATELIMIT-",
    "X_RateLimit_",
)


@pytest.mark.parametrize("prefix", SPELLINGS)
def test_the_headers_of_a_limit_are_read_in_every_spelling(prefix: str) -> None:
    assert stated(classic("100", "7", "30", prefix)) == ApiLimit(100, 7, 30)


@pytest.mark.parametrize(
    ("header", "limit"),
    [
        ("limit=100, remaining=50, reset=30", ApiLimit(100, 50, 30)),
        ("Remaining=50 ,limit=100;w=60", ApiLimit(100, 50, None)),
        ('"default";r=50;t=30', ApiLimit(None, 50, 30)),
        ("default;r=50", ApiLimit(None, 50, None)),
        ('"a";r=50;t=30, "b";r=3;t=1800', ApiLimit(None, 3, 1800)),
        ('"a";r=0;t=1,"b";r=0;t=1800', ApiLimit(None, 0, 1800)),
        ('"a;r=9, b" ; r=5 ; t=3 ; pk=:cHsdsRa894==:', ApiLimit(None, 5, 3)),
    ],
)
def test_the_standards_header_is_read_in_its_old_and_its_present_form(header: str, limit: ApiLimit) -> None:
    assert stated({"RateLimit": header}) == limit
    assert stated({"ratelimit": header}) == limit


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        ('"default";q=100;w=60', 100),
        ('"other";q=5;w=1, "default";q=100;w=60;pk=:aGk=:', 100),
        ('"default";q=100;qu="requests"', 100),
        ('"other";q=5;w=1', None),
        ("nonsense,,", None),
    ],
)
def test_the_policy_of_the_same_name_has_the_limit(policy: str, limit: float | None) -> None:
    assert stated({"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": policy}) == ApiLimit(limit, 50, 30)


def test_a_limit_of_something_else_than_requests_is_ignored() -> None:
    headers = {"RateLimit": '"a";r=0;t=9, "b";r=7', "RateLimit-Policy": '"a";q=9;qu="content-bytes", "b";q=8'}
    assert stated(headers) == ApiLimit(8, 7, None)


def test_the_tightest_of_several_limits_counts() -> None:
    headers = {**classic("100", "7", "30"), **classic("1000", "3", "600", "RateLimit-"), "RateLimit": '"a";r=5;t=1'}
    assert stated(headers) == ApiLimit(1000, 3, 600)


def test_the_limit_may_stand_before_its_policies() -> None:
    assert stated({"RateLimit-Limit": "10, 10;w=1, 50;w=60"}) == ApiLimit(10, None, None)


@pytest.mark.parametrize(
    "reset",
    [
        "30",
        "30.0",
        "1700000030",
        "1700000030.0",
        "1700000030000",
        DATE,
        "Tuesday, 14-Nov-23 22:13:50 GMT",
        "2023-11-14T22:13:50Z",
        "2023-11-14T23:13:50.000+01:00",
    ],
)
def test_a_reset_may_be_seconds_from_now_or_a_moment(reset: str) -> None:
    assert stated(classic("9", "0", reset)) == ApiLimit(9, 0, 30)


@pytest.mark.parametrize("reset", ["1700003630", "1700003630000", "Tue, 14 Nov 2023 23:13:50 GMT"])
def test_a_moment_is_compared_with_the_clock_of_the_api(reset: str) -> None:
    """The API's clock is an hour ahead here."""
    headers = {**classic("9", "0", reset), "Date": "Tue, 14 Nov 2023 23:13:20 GMT"}
    assert stated(headers) == ApiLimit(9, 0, 30)
    assert stated({**headers, "Date": "yesterday"}) == ApiLimit(9, 0, 3630)


@pytest.mark.parametrize(
    "reset",
    [
        *("", "soon", "-5", "1e1", "nan", "inf", "5, 7", "٣", "0x1e", "9" * 16, "9" * 5000, "3 s", "30;w=1"),
        *("1600000000", "1600000000000", "Tue, 14 Nov 2017 22:13:50 GMT", "9999999999", "99999999", "0001-01-01"),
        *("Tue, 14 Nov 9999 22:13:50 GMT", "Tue, 14 Nov 2023 22:13:50 +9999999999"),
    ],
)
def test_a_reset_that_makes_no_sense_is_unknown(reset: str) -> None:
    assert stated(classic("9", "0", reset)) == ApiLimit(9, 0, None)


@pytest.mark.parametrize(
    "value",
    ["", "many", "-1", "1e3", "nan", "٣", "100, 100", "5,7", "9" * 16, "9" * 5000, "1.2.3", "0x10", "unlimited"],
)
def test_a_number_that_makes_no_sense_is_unknown(value: str) -> None:
    assert stated(classic(value, "7", "30")) == ApiLimit(None, 7, 30)
    assert stated(classic("100", value, "30")) == ApiLimit(100, None, 30)


@pytest.mark.parametrize("limit", ["0", "00", "-1"])
def test_a_limit_that_is_none_is_never_used_up(limit: str) -> None:
    """APIs state an unlimited plan like that. Otherwise, the account would send one request in each window."""
    assert stated(classic(limit, "0", "30")) == ApiLimit(None, None, 30)
    assert stated(classic(limit, "7", "30")) == ApiLimit(None, 7, 30)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json", "X-Limit": "5", "Retry-After": "5", "X-Request-Limit": "9"},
        classic("0", "", ""),
        classic("", "", ""),
        {"RateLimit": ""},
        {"RateLimit": '"default"'},
        {"RateLimit": '"default;r=5'},
        {"RateLimit": '"default";r=5;;t=3'},
        {"RateLimit": "limit=5, remaining=3, remaining=4"},
        {"RateLimit": '"default";r=-5;t=-3'},
        {"RateLimit": '"default";r=5;t=3,' * 200},
        {"RateLimit": "limit=5, remaining=3" + " " * 2000},
        {"X-RateLimit-Remaining-Minute": "0"},
        {"X-RateLimit-Remaining": "0", "X-Rate-Limit-Remaining": "5"},
    ],
)
def test_headers_that_state_no_limit_are_none(headers: Mapping[str, str]) -> None:
    assert stated(headers) is None


PARTS = st.sampled_from(
    [
        *'",;=:\\ \t',
        "0",
        "7",
        "-1",
        "30",
        "1700000030",
        "1" * 20,
        "limit",
        "remaining",
        "reset",
        "r",
        "t",
        "q",
        "w",
        DATE,
    ]
)
VALUES = st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=30) | st.integers().map(str)
WORDS = ("Limit", "Remaining", "Reset", "Policy", "Limit-Minute", "")
NAMES = st.builds(
    "".join, st.tuples(st.sampled_from([*SPELLINGS, "RateLimit", "Date", "X-"]), st.sampled_from(WORDS))
) | st.just("Date")


NUMBERS = st.sampled_from(["0", "1", "7", "-1", "30", "0.5", "1700000030", "1" * 20, "nan", "inf", "1e999", DATE])
STATED = st.fixed_dictionaries(
    {"X-RateLimit-Remaining": NUMBERS},
    optional={"X-RateLimit-Limit": NUMBERS, "X-RateLimit-Reset": NUMBERS, "Retry-After": NUMBERS},
)
"""Headers of which most state a limit."""


@given(st.dictionaries(NAMES, VALUES, max_size=6) | STATED, st.floats(0, 4e9), st.integers(0, 9), st.booleans())
@example({"RateLimit": '"' + "\\" * 999}, NOW, 0, False)
@example({"RateLimit": "a;" * 500}, NOW, 0, False)
@example({"RateLimit": "a" + " " * 1000 + "b"}, NOW, 0, False)
def test_whatever_the_headers_hold_a_limit_is_sound_or_none(
    headers: dict[str, str], now: float, under_way: int, refused: bool
) -> None:
    limit = stated(headers, now)
    if limit is None:
        return
    for value in (limit.limit, limit.remaining, limit.reset_in):
        assert value is None or (math.isfinite(value) and value >= 0)
    assert limit.limit != 0
    held = limit.hold(under_way, refused)
    assert held is None or held == limit.reset_in


def written(limit: int, remaining: int, reset: int, form: str) -> dict[str, str]:
    """Return the headers with which an API states a limit, in one of the forms."""
    match form:
        case "dictionary":
            return {"RateLimit": f"limit={limit}, remaining={remaining}, reset={reset}"}
        case "policy":
            return {"RateLimit": f'"x";r={remaining};t={reset}', "RateLimit-Policy": f'"x";q={limit};w=60'}
    moment = int(NOW) + reset
    resets = {
        "seconds": str(reset),
        "epoch": str(moment),
        "milliseconds": str(moment * 1000),
        "date": email.utils.formatdate(moment, usegmt=True),
        "iso": datetime.fromtimestamp(moment, UTC).isoformat(),
    }
    return classic(str(limit), str(remaining), resets[form])


FORMS = st.sampled_from(["dictionary", "policy", "seconds", "epoch", "milliseconds", "date", "iso"])


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 30 * 86400), FORMS)
def test_a_limit_is_read_as_it_was_written_in_every_form(limit: int, remaining: int, reset: int, form: str) -> None:
    assert stated(written(limit, remaining, reset, form)) == ApiLimit(limit, remaining, reset)


@pytest.mark.parametrize(
    ("limit", "under_way", "refused", "held"),
    [
        (ApiLimit(100, 0, 30), 0, False, 30),
        (ApiLimit(100, 1, 30), 0, False, None),
        (ApiLimit(100, 3, 30), 3, False, 30),
        (ApiLimit(100, 4, 30), 3, False, None),
        (ApiLimit(100, 0, None), 0, False, None),
        (ApiLimit(100, None, 30), 3, False, None),
        (ApiLimit(None, None, 30), 0, True, 30),
        (ApiLimit(100, 50, 30), 0, True, 30),
    ],
)
def test_requests_are_held_until_the_reset_once_those_under_way_use_up_what_is_left(
    limit: ApiLimit, under_way: int, refused: bool, held: float | None
) -> None:
    assert limit.hold(under_way, refused) == held
