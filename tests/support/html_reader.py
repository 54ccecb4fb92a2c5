"""What a page consists of, as a reader of HTML finds it."""

from html.parser import HTMLParser

HOSTILE = "<script>alert(1)</script>\"'&\u202e\ud800"
"""A text that ends and begins elements, reverses what follows, and can't be encoded."""
_EMPTY = ("meta", "link", "br", "wbr")


class Reader(HTMLParser):
    """The tags, texts and table rows of a page. Tags that are not closed in their order fail the test."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.items: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "li":
            self.items.append("")
        if tag == "p" and "li" in self.open and self.items[-1]:
            self.items[-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if "li" in self.open:
            self.items[-1] += data

    @property
    def text(self) -> str:
        """All text in one, with single spaces."""
        return " ".join("".join(self.texts).split())

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
