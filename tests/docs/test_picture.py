"""The README's picture is drawn from what happens in the demo, and all of it is counted in time."""

import xml.etree.ElementTree as ET

import pytest

from tests.support.half_hour import LENGTH, POLL_INTERVAL, Failures, Place, Story, watch
from tests.support.pages import DOCS
from tools.demo_picture import picture, waits


@pytest.fixture(scope="module")
def story() -> Story:
    return watch()


def test_the_committed_picture_is_that_of_the_demo(story: Story) -> None:
    assert (DOCS / "demo.svg").read_text() == picture(story), "draw it again: make docs"


def test_every_failure_is_counted_by_the_next_poll(story: Story) -> None:
    seconds = [
        known - failures.at
        for place, happened in story.happened.items()
        for failures, known in waits(happened, story.counted.get(place, []))
    ]
    assert len(seconds) > 100
    assert max(seconds) <= POLL_INTERVAL


def test_no_more_is_counted_than_happened(story: Story) -> None:
    for place, counted in story.counted.items():
        happened = story.happened.get(place, [])
        for failures in counted:
            so_far = sum(other.count for other in counted if other.at <= failures.at)
            assert so_far <= sum(other.count for other in happened if other.at <= failures.at), place


def test_what_is_not_counted_yet_waits_to_the_end_of_the_picture() -> None:
    happened = [Failures(10.0, 1), Failures(20.0, 2), Failures(30.0, 1)]
    found = list(waits(happened, [Failures(60.0, 3)]))
    assert [known for _, known in found] == [60.0, 60.0, LENGTH]


def test_a_name_can_not_break_the_picture() -> None:
    drawn = picture(Story({Place("Inkit", '<script>"&'): [Failures(10.0, 1)]}, {}))
    root = ET.fromstring(drawn)  # noqa: S314 (it is ours)
    assert 'Inkit · <script>"&' in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
