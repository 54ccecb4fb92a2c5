"""`python -m tools.runbooks`: print docs/alerts.md as HTML, for the exporter's page /runbooks.

What is printed is the main part of the page; the exporter adds the frame.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "alerts.md"

_ROLES = {
    "table": {"role": "table"},
    "thead": {"role": "rowgroup"},
    "tbody": {"role": "rowgroup"},
    "tr": {"role": "row"},
    "th": {"role": "columnheader", "scope": "col"},
    "row_head": {"role": "rowheader", "scope": "row"},
    "td": {"role": "cell"},
}
"""ARIA roles: on a phone the style takes tables apart, and a screen reader must still find them."""
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def fragment(markdown: str, page: Path = PAGE, root: Path = ROOT) -> str:
    """Return a page's Markdown as HTML whose headings have the anchors that GitHub gives them.

    A link to another file becomes text with the file's path in the repository, as the exporter does not serve it.
    Raises ValueError for a link to a heading that the page does not have, and for an image.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = list(_tables(parser.parse(markdown)))
    anchors = _name_headings(tokens)
    for token in tokens:
        if token.children is not None:
            token.children = list(_links(token.children, page, root, anchors))
    return f"<article>\n{parser.renderer.render(tokens, parser.options, {})}</article>\n"


def _name_headings(tokens: Sequence[Token]) -> set[str]:
    """Give each heading its anchor. Returns all of them."""
    seen: Counter[str] = Counter()
    anchors = set()
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            name = re.sub(r"[^\w\- ]", "", _text(inline.children or ())).strip().lower().replace(" ", "-")
            anchor = f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1
            anchors.add(anchor)
            heading.attrSet("id", anchor)
    return anchors


def _text(inline: Iterable[Token]) -> str:
    return "".join(token.content for token in inline if token.type in {"text", "code_inline"})


def _links(inline: Sequence[Token], page: Path, root: Path, anchors: set[str]) -> Iterator[Token]:
    """Keep the links within the page and those to other hosts; write the others as text."""
    words: list[Token] = []
    file = ""
    for token in inline:
        if token.type == "image":
            raise ValueError(f"{page.name}: the image {token.attrGet('src')}: the exporter serves none")
        if token.type == "link_open":
            file, words = _leads_to(str(token.attrGet("href")), page, root, anchors), []
        if not file:
            yield token
        elif token.type == "link_close":
            yield from _named(words, file)
            file = ""
        elif token.type != "link_open":
            words.append(token)


def _leads_to(href: str, page: Path, root: Path, anchors: set[str]) -> str:
    """Return the path in the repository of the file that a link leads to; "" for a link that is kept."""
    if _ELSEWHERE.match(href):
        return ""
    path, _, anchor = unquote(href).partition("#")
    if path:
        return (page.parent / path).resolve().relative_to(root.resolve()).as_posix()
    if anchor not in anchors:
        raise ValueError(f"{page.name}: the link to #{anchor}: there is no such heading")
    return ""


def _named(words: Sequence[Token], path: str) -> Iterator[Token]:
    """Name a file: its path, after the words of the link if these say more than the file's name."""
    code = Token("code_inline", "code", 0, content=path)
    if f"/{path}".endswith(f"/{_text(words)}"):
        yield code
    else:
        yield from (*words, Token("text", "", 0, content=" ("), code, Token("text", "", 0, content=")"))


def _tables(tokens: Sequence[Token]) -> Iterator[Token]:
    """Mark up tables as on the other pages of the exporter: each in a part that scrolls, each cell with its column."""
    heads: list[str] = []
    column = 0
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            heads = list(_heads(tokens[place:]))
            label = ", ".join(heads)
            token.attrSet("aria-label", label)
            yield _html(f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">\n')
        if token.type == "td_open":
            token.attrSet("data-head", heads[column])
        # One element: on a phone a cell is a grid of two, the column's name and this.
        if token.type == "td_close":
            yield _html("</span>")
        yield _with_role(token, "row_head" if column == 0 and token.tag == "td" else token.tag)
        if token.type == "td_open":
            yield _html("<span>")
        if token.type == "table_close":
            yield _html("</div>\n")
        column = 0 if token.type == "tr_open" else column + (token.type == "td_close")


def _with_role(token: Token, kind: str) -> Token:
    if kind == "row_head":
        token.tag = "th"
    if token.nesting == 1:
        for name, value in _ROLES.get(kind, {}).items():
            token.attrSet(name, value)
    return token


def _heads(table: Iterable[Token]) -> Iterator[str]:
    """Return the names of the columns of the table that begins here."""
    before = ""
    for token in table:
        if token.type == "thead_close":
            return
        if before == "th_open":
            yield _text(token.children or ())
        before = token.type


def _html(content: str) -> Token:
    return Token("html_inline", "", 0, content=content)


if __name__ == "__main__":
    print(fragment(PAGE.read_text()), end="")
