"""Hooks of mkdocs (mkdocs.yml) that build the site from the repository as it is.

The site has README.md, all of docs/ and each file that they link to, at the path that it has in the repository.
Headings, lists and tables are read as code forges read them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_LINK = re.compile(r"\]\(([^()\s#]+)")
_FENCE = re.compile(r" *(`{3,}|~{3,})")
_ITEM = re.compile(r"([*+-]|[0-9]+\.) +(?=\S)")
_INLINE_CODE = re.compile(r"`[^`]+`")
_BLOCK = re.compile(r"#{1,6} |`{3}|~{3}")
_INTERRUPTING = {"*", "+", "-", "1."}
"""The list markers that can follow a paragraph without an empty line."""
_INDENT = 4
"""The spaces that Python-Markdown needs before the content of a list item."""
_anchors: Counter[str] = Counter()
"""The anchors of the page that is being rendered, and how often each occurs."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as GitHub does."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = _anchor
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/, with paths relative to it, by those of the site, with paths relative to the root."""
    root = Path(config.config_file_path).resolve().parent
    pages = [file for file in files if file.src_dir == config.docs_dir]
    for file in pages:
        files.remove(file)
    start = [root / "README.md", *(Path(config.docs_dir).resolve() / file.src_uri for file in pages)]
    for path in sorted(_with_linked(start, root)):
        files.append(File(path.relative_to(root).as_posix(), str(root), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Rewrite what Python-Markdown reads differently from code forges."""
    _anchors.clear()
    return "\n".join(_indent_lists(_unescape_tables(markdown.split("\n"))))


def _unescape_tables(lines: Iterable[str]) -> Iterator[str]:
    """Unescape `|` in the code of tables: Python-Markdown would show the backslash."""
    for line, fenced in _mark_fenced(lines):
        in_table = not fenced and line.lstrip().startswith("|")
        yield _INLINE_CODE.sub(_without_escapes, line) if in_table else line


def _indent_lists(lines: Iterable[str]) -> Iterator[str]:
    """Indent the content of list items by four spaces a level, and separate lists from the text before them."""
    items: list[int] = []  # the columns where the text of the open items begins
    before, follows_item = "", False
    for line, fenced in _mark_fenced(lines):
        text = line.lstrip(" ")
        column = len(line) - len(text)
        item = None if fenced else _ITEM.match(text)
        if item and before and not items and item[1] not in _INTERRUPTING:
            item = None
        begins = not fenced and (item or _BLOCK.match(text) or (text and not before))
        if begins:
            inner = [start for start in items if start <= column]
            if before and (not follows_item if item else items != inner):
                yield ""
            items, follows_item = inner, item is not None
        shift = _INDENT * len(items) - items[-1] if items and items[-1] <= column else 0
        yield " " * (column + shift) + text if text else ""
        items += [column + item.end()] if item else []
        before = text


def _mark_fenced(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is in a fenced block or ends one."""
    fence = ""
    for line in lines:
        marks = _FENCE.match(line)
        yield line, fence != ""
        if marks and not fence:
            fence = marks[1]
        elif marks and marks[1].startswith(fence):
            fence = ""


def _with_linked(start: list[Path], root: Path) -> set[Path]:
    """Return these files and the files of the repository that they link to, directly or through other pages."""
    found: set[Path] = set()
    waiting = start
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file() or not path.is_relative_to(root):
            continue
        found.add(path)
        if path.suffix == ".md":
            waiting += [(path.parent / unquote(link)).resolve() for link in _LINK.findall(path.read_text())]
    return found


def _anchor(heading: str, _separator: str) -> str:
    """Return the anchor of a heading as GitHub makes it, for the next heading of the page."""
    name = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
    again = _anchors[name]
    _anchors[name] += 1
    return f"{name}-{again}" if again else name


def _without_escapes(code: re.Match[str]) -> str:
    return code[0].replace(r"\|", "|")
