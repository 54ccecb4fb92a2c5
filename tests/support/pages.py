"""What stands on a page of the documentation: its blocks, headings and links. What they should be is for the tests."""

import re
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/README.md"), *ROOT.glob("deploy/helm/*/README.md"), *DOCS.glob("**/*.md")]
)

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HTML_LINK = re.compile(r"(?:href|src|srcset)=\"([^\"]+)\"")
_INLINE_CODE = re.compile(r"`[^`\n]*`")


def blocks(page: Path, language: str) -> Sequence[str]:
    """Return the fenced blocks that are in this language, "" for those that name none."""
    return [body for named, body in _FENCE.findall(page.read_text()) if named == language]


def links(text: str) -> Sequence[str]:
    """Return where the links and pictures of a page lead. What is in code is no link."""
    prose = _INLINE_CODE.sub("", _FENCE.sub("", text))
    return [*_LINK.findall(prose), *_HTML_LINK.findall(prose)]


def is_elsewhere(link: str) -> bool:
    """Return whether a link leads to another host, or to no file at all (`mailto:`)."""
    return _ELSEWHERE.match(link) is not None


def anchors(text: str) -> set[str]:
    """Return the names by which the headings of a page can be linked to, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", shown).strip().replace(" ", "-")
        again = sum(match == name or re.fullmatch(re.escape(name) + r"-\d+", match) is not None for match in found)
        found.add(f"{name}-{again}" if again else name)
    return found
