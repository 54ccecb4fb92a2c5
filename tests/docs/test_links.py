"""Every link of a page to a file, and to a heading in it, works. Addresses of other hosts are not tried."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.pages import PAGES, anchors, is_elsewhere, links
from tests.support.paths import ROOT


def broken(page: Path, link: str, root: Path = ROOT) -> str | None:
    """Return what is wrong with a link of a page; None if nothing is."""
    if is_elsewhere(link):
        return None
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(root.resolve()):
        return "leads out of the repository"
    if not target.exists():
        return "there is no such file"
    if anchor and anchor not in anchors(target.read_text()):
        return "there is no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    wrong = {link: broken(page, link) for link in links(page.read_text())}
    assert {link: why for link, why in wrong.items() if why} == {}


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            named = (link.partition("#")[0] for link in links(page.read_text()) if not is_elsewhere(link))
            leads = [(page.parent / link).resolve() for link in named if link.endswith(".md")]
            waiting += [link for link in leads if link.exists()]
    assert sorted(str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in reached) == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("other.md", None),
        ("other.md#a-heading", None),
        ("other.md#a-heading-1", None),
        ("#an-own-heading-its-end", None),
        ("https://example.org/missing.md", None),
        ("other.md#code-is-no-heading", "there is no such heading"),
        ("#a-heading", "there is no such heading"),
        ("missing.md", "there is no such file"),
        ("../../other.md", "leads out of the repository"),
    ],
)
def test_a_link_is_broken_if_its_file_or_its_heading_is_not_there(tmp_path: Path, link: str, why: str | None) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("# An own heading: its *end*\n")
    (page.parent / "other.md").write_text("# A heading\n\n## A `heading`\n\n```sh\n# code is no heading\n```\n")
    assert broken(page, link, tmp_path) == why


def test_what_stands_in_code_is_no_link() -> None:
    assert links('[a](b.md) `[c](d.md)` <img src="e.svg">\n```\n[f](g.md)\n```\n') == ["b.md", "e.svg"]
