"""The landing page, as a reader of HTML finds it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from exporter.snapshot import CollectorSnapshot, Health, Snapshot
from exporter.web.landing import Link, age, content_security_policy, page

NOW = 1767323165.9
FINE = Health(True, True, 1767323045.6, 1234, 5)
HOSTILE = "<script>alert(1)</script>\"'&\u202e\ud800"


class Reader(HTMLParser):
    """What a page consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(*collectors: CollectorSnapshot, version: str = "1.2.3") -> Reader:
    html = page(version, Snapshot(1, collectors), [Link("/metrics", "Metrics", "what is scraped")], NOW).decode()
    assert html.startswith("<!DOCTYPE html>")
    reader = Reader(html)
    assert reader.open == []
    return reader


def collector(health: Health, account: str = "production") -> CollectorSnapshot:
    return CollectorSnapshot(account, "inkit", "document_batches", {}, 0.0, {}, health)


def test_each_collector_has_a_row_with_what_an_operator_wants_to_know() -> None:
    rows = read(collector(FINE), collector(Health(False, True, None, 0, 0, "401: the token was refused"))).rows
    assert rows == [
        ["Account", "System", "Collector", "Last poll", "Last success", "Finished", "In flight", "Error"],
        ["production", "inkit", "document_batches", "succeeded", "2026-01-02T03:04:05Z (2 min ago)", "1234", "5", ""],
        ["production", "inkit", "document_batches", "failed", "never", "0", "0", "401: the token was refused"],
    ]


def test_a_collector_that_reads_its_window_says_so() -> None:
    assert read(collector(Health(True, False, None, 0, 0))).rows[1][3] == "succeeded, reading the window"
    assert read(collector(Health(None, False, None, 0, 0))).rows[1][3] == "none yet"


def test_without_a_collector_there_is_a_sentence_and_no_table() -> None:
    reader = read()
    assert "No collector has been polled yet." in reader.texts
    assert reader.attributes("table") == []


def test_the_version_and_the_links_are_there() -> None:
    reader = read()
    assert "Version 1.2.3" in reader.texts
    assert reader.attributes("a") == [{"href": "/metrics"}]


def test_text_from_outside_stays_text() -> None:
    health = Health(False, True, None, 0, 0, HOSTILE)
    reader = read(collector(health, HOSTILE), version=HOSTILE)
    shown = HOSTILE.replace("\ud800", "?")
    assert reader.attributes("script") == []
    assert (reader.rows[1][0], reader.rows[1][7]) == (shown, shown)
    assert f"Version {shown}" in reader.texts


def test_a_link_cannot_leave_its_attribute() -> None:
    html = page("1", Snapshot(1, ()), [Link('/"><script>', "Metrics", "p")], NOW).decode()
    assert Reader(html).attributes("a") == [{"href": '/"><script>'}]


def test_the_policy_allows_the_page_s_own_style_and_nothing_else() -> None:
    html = page("1", Snapshot(1, ()), [], NOW).decode()
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in content_security_policy().split(";"))
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert set(policy.values()) == {"'none'"}
    assert "default-src" in policy


def test_the_page_needs_no_script_and_has_no_style_in_an_attribute() -> None:
    reader = read(collector(FINE))
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert not reader.attributes("script")


def test_the_page_tells_a_screen_reader_its_language_its_table_and_what_heads_what() -> None:
    reader = read(collector(FINE))
    assert reader.attributes("html") == [{"lang": "en"}]
    assert reader.attributes("caption") == [{"id": "collectors"}]
    assert {attributes["scope"] for attributes in reader.attributes("th")} == {"col", "row"}
    assert reader.attributes("main")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.attributes("meta")


def luminance(color: str) -> float:
    """The relative luminance of a hexadecimal color (WCAG 2.2)."""
    digits = color.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_color_of_text_has_the_contrast_that_wcag_aa_asks_for(scheme: int) -> None:
    html = page("1", Snapshot(1, ()), [], NOW).decode()
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", html.split("prefers-color-scheme: dark")[scheme]))
    ground = luminance(colors["page"])
    for name in ("text", "muted", "link", "good", "bad"):
        dark, light = sorted((luminance(colors[name]), ground))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


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
