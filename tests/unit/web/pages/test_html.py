"""What all pages have in common: their frame, their policy, and how names and times are written."""

import base64
import hashlib
import re
import subprocess
import sys

import pytest
from jinja2 import UndefinedError

from exporter.web.pages.html import Link, age, environment, headers, render, url
from tests.support.html_reader import HOSTILE, Reader
from tests.support.paths import ROOT

LINKS = (Link("/", "Overview"), Link("/metrics", "Metrics"))


def whole(links: tuple[Link, ...] = LINKS) -> str:
    return render("layout.html", links, "/").decode()


def part(expression: str, **values: object) -> Reader:
    """What one of the templates' parts makes of these values."""
    template = "{% from 'parts.html' import name, when %}{{ " + expression + " }}"
    return Reader(environment().from_string(template).render(**values))


def test_the_frame_gives_a_screen_reader_its_language_its_parts_and_where_it_is() -> None:
    html = whole()
    assert html.startswith("<!DOCTYPE html>")
    reader = Reader(html)
    assert reader.attributes("html") == [{"lang": "en"}]
    assert reader.attributes("main")
    assert reader.attributes("nav") == [{"class": "top", "aria-label": "Pages"}]
    assert reader.attributes("a") == [{"href": "./", "aria-current": "page"}, {"href": "./metrics"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in reader.attributes("meta")


def test_the_policy_allows_the_page_s_own_style_and_its_forms_and_nothing_else() -> None:
    styles = re.findall(r"<style>(.*?)</style>", whole(), re.DOTALL)
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in dict(headers())["content-security-policy"].split(";"))
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert policy.pop("form-action") == "'self'"
    assert policy == dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'")


def test_where_a_link_leads_out_the_exporter_s_address_is_not_sent() -> None:
    assert dict(headers())["referrer-policy"] == "no-referrer"


def test_a_link_stays_what_it_is_whatever_is_in_it() -> None:
    reader = Reader(whole((Link('/"><script>', HOSTILE),)))
    assert reader.attributes("script") == []
    assert reader.attributes("a") == [{"href": './"><script>'}]
    assert HOSTILE.replace("\ud800", "?") in reader.texts


def test_a_name_from_outside_is_text_that_does_not_turn_what_stands_beside_it() -> None:
    reader = part("name(text)", text="<b>\u202e&")
    assert reader.tags == [("bdi", {})]
    assert reader.text == "<b>\u202e&"
    assert part("name('') ~ name(none)").tags == []


def test_a_time_says_when_and_how_long_ago() -> None:
    reader = part("when(1767323045.6, 1767323165.9)")
    assert reader.attributes("time") == [{"datetime": "2026-01-02T03:04:05Z"}]
    assert reader.text == "2026-01-02 03:04:05Z 2 min ago"
    assert part("when(none, 0.0)").text == "never"


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        part("name(missing)")


def test_an_address_repeats_a_parameter_for_each_of_its_values() -> None:
    assert url("/x", a=["1&", "\ud800"], b=[], c=7) == "./x?a=1%26&a=%3F&c=7"


def test_a_command_that_serves_nothing_loads_neither_the_web_server_nor_the_templates() -> None:
    code = """
import sys
from exporter.cli.main import run
import exporter.cli.check, exporter.cli.once, exporter.cli.inspect.command
run(["metrics"])
heavy = {"jinja2", "uvicorn"}
print(sorted(heavy & {*sys.modules}))
import exporter.cli.serve
print(sorted(heavy & {*sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[]", "['jinja2', 'uvicorn']"]


def test_html_is_in_the_templates_alone_and_none_of_it_escapes_the_escaping() -> None:
    code = {path: path.read_text() for path in (ROOT / "exporter" / "web").rglob("*.py")}
    assert [path for path, text in code.items() if re.search(r"(?<!P)</?[a-z]+[ />]|Markup|from_string", text)] == []
    templates = {path.name: path.read_text() for path in (ROOT / "exporter/web/pages/templates").glob("*.html")}
    assert len(templates) > 3
    assert [name for name, text in templates.items() if re.search(r"\bsafe\b|autoescape", text)] == ["runbooks.html"]


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
def test_an_age_is_shown_in_its_largest_whole_unit(seconds: float, words: str) -> None:
    assert age(seconds) == words
