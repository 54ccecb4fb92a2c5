"""What all pages have in common: their frame, their policy, and how names and times are written."""

import base64
import hashlib
import re

import pytest

from exporter.web.pages.html import Link, age, headers, iso, name, page, when
from tests.support.html_reader import HOSTILE, Reader

LINKS = (Link("/", "Overview"), Link("/metrics", "Metrics"))


def whole(title: str = "Title", main: str = "<p>Here</p>", links: tuple[Link, ...] = LINKS) -> str:
    return page(title, links, "/", main).decode()


def test_the_frame_tells_a_screen_reader_its_language_its_parts_and_where_it_is() -> None:
    html = whole()
    assert html.startswith("<!DOCTYPE html>")
    reader = Reader(html)
    assert reader.attributes("html") == [{"lang": "en"}]
    assert reader.attributes("main")
    assert reader.attributes("nav") == [{"class": "top", "aria-label": "Pages"}]
    assert reader.attributes("a") == [{"href": "/", "aria-current": "page"}, {"href": "/metrics"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.attributes("meta")


def test_the_policy_allows_the_page_s_own_style_and_its_forms_and_nothing_else() -> None:
    styles = re.findall(r"<style>(.*?)</style>", whole(), re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in dict(headers())["content-security-policy"].split(";"))
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert policy.pop("form-action") == "'self'"
    assert policy == dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'")


def test_where_a_link_leads_out_the_exporter_s_address_is_not_told() -> None:
    assert dict(headers())["referrer-policy"] == "no-referrer"


def test_a_title_and_a_link_stay_what_they_are_whatever_is_in_them() -> None:
    reader = Reader(whole(HOSTILE, links=(Link('/"><script>', HOSTILE),)))
    assert reader.attributes("script") == []
    assert reader.attributes("a") == [{"href": '/"><script>'}]
    assert HOSTILE.replace("\ud800", "?") in reader.texts


def test_a_name_from_outside_is_text_that_does_not_turn_what_stands_beside_it() -> None:
    reader = Reader(name("<b>\u202e&"))
    assert reader.tags == [("bdi", {})]
    assert reader.text == "<b>\u202e&"
    assert name("") == name(None) == ""


def test_a_time_says_when_and_how_long_ago() -> None:
    reader = Reader(when(1767323045.6, 1767323165.9))
    assert reader.attributes("time") == [{"datetime": "2026-01-02T03:04:05Z"}]
    assert reader.text == "2026-01-02 03:04:05Z 2 min ago"
    assert Reader(when(None, 0.0)).text == "never"


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (0.9, "1970-01-01T00:00:00Z"),
        (-1e15, "0001-01-01T00:00:00Z"),
        (253402300799.0 + 86400, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_beyond_the_calendar_is_written_as_its_end(moment: float, written: str) -> None:
    assert iso(moment) == written


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86400, "1 d"),
        (9e5, "10 d"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(seconds: float, words: str) -> None:
    assert age(seconds) == words
