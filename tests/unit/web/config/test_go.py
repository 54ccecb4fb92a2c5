"""Durations as Go writes them."""

import time

import pytest

from exporter.web.config.go import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1s", 1),
        ("+1s", 1),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("100ms", 0.1),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        ("3ns", 3e-9),
        ("2000000000", 2),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "1 s", "1d", "1s ", "1.2.3s", ".s", "1s-1s", "1S", "٣s", "9" * 40 + "s"])
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 100ms, 1s or 1m30s"):
        duration(text)


def test_a_text_as_long_as_a_file_may_be_is_refused_at_once() -> None:
    began = time.thread_time()
    with pytest.raises(ValueError, match="must be a duration"):
        duration("9" * 1_000_000)
    assert time.thread_time() - began < 5, "CPU time; a search for the parts would take hours"


def test_a_duration_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        duration("-1s")
