"""Sizes are read and written as in Prometheus, in powers of 1024."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("512KB", 512 * 1024), ("512KiB", 512 * 1024), ("64MiB", 64 * 1024**2), ("1GB", 1024**3)],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert sizes.parse(text) == size


@pytest.mark.parametrize(
    "text", ["", "64", "-1MiB", "1.5GiB", "64 MiB", "64mb", "64M", "iB", "1iB", "٣MiB", "9" * 16 + "B"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be a size such as |a size needs a unit, such as 64MiB$)"):
        sizes.parse(text)


@pytest.mark.parametrize("text", ["0B", "0MiB"])
def test_a_size_is_more_than_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be more than 0B$"):
        sizes.parse(text)


@given(st.integers(1, 10**15))
def test_a_size_is_written_within_a_tenth_and_never_too_large(size: int) -> None:
    assert size * 10 / 11 < sizes.parse(sizes.write(size)) <= size


@given(st.integers(1, 1024), st.sampled_from(["B", "KiB", "MiB", "GiB"]))
def test_a_whole_number_of_a_unit_is_written_exactly(number: int, unit: str) -> None:
    assert sizes.parse(sizes.write(sizes.parse(f"{number}{unit}"))) == sizes.parse(f"{number}{unit}")
