"""`make site` builds the pages into a site that can be searched, says what they say, and needs no other host."""

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.support.browser import chromium
from tests.support.pages import DOCS, PAGES, anchors, is_elsewhere
from tests.support.paths import ROOT

CONFIGURATION = ROOT / "mkdocs.yml"
LOADING = {"src", "srcset", "poster", "data"}
"""The attributes whose address a browser loads by itself; `href` is one of them in <link>."""
COMPARED = {f"h{level}" for level in range(1, 7)} | {
    *("a", "blockquote", "code", "del", "em", "li", "ol", "pre", "strong", "table", "td", "th", "tr", "ul")
}


def build(folder: Path, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Build the site of a repository into a folder, as `make site` does."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)


def pages_of(navigation: object) -> Sequence[str]:
    """Return the paths of the pages, in order."""
    if isinstance(navigation, str):
        return [navigation]
    branches = navigation.values() if isinstance(navigation, dict) else navigation
    assert isinstance(branches, list | type({}.values()))
    return [path for branch in branches for path in pages_of(branch)]


def target(page: Path) -> str:
    """Return where the site has a page."""
    path = page.relative_to(ROOT).with_suffix(".html")
    return str(path.with_name("index.html") if path.name == "README.html" else path)


class Parsed(HTMLParser):
    """What a page loads, links to and can be linked to, and the content of its article."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.classes: set[str] = set()
        self.content: list[str] = []
        """The tags and the texts of the article, in order, white space outside of <pre> aside."""
        self._text = ""
        self._in_article = "<article" not in text
        self._in_headerlink = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.classes |= set(classes)
        self.loads += [given[name] for name in LOADING & set(given)]
        if "href" in given:
            (self.loads if tag == "link" else self.links).append(given["href"])
        self._in_article |= tag == "article"
        self._in_headerlink = "headerlink" in classes
        if tag in COMPARED and not self._in_headerlink:
            self._add(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in COMPARED and not self._in_headerlink:
            self._add(f"</{tag}>")
        self._in_article &= tag != "article"
        self._in_headerlink = False

    def handle_data(self, data: str) -> None:
        if self._in_article and not self._in_headerlink:
            self._text += data

    def _add(self, tag: str) -> None:
        """Add the text up to a tag, and the tag."""
        text = self._text.strip("\n") if tag == "</code>" else " ".join(self._text.split())
        self.content += [part for part in (text, tag) if part and self._in_article]
        self._text = ""


def parsed(path: Path) -> Parsed:
    return Parsed(path.read_text())


def on_a_forge(text: str) -> Sequence[str]:
    """Return the content of a page as code forges read it."""
    from markdown_it import MarkdownIt

    return Parsed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)).content


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, to read only."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a repository with two pages, of which the site is made as of this one."""
    settings = yaml.safe_load(CONFIGURATION.read_text())
    settings["nav"] = ["README.md", {"Group": ["docs/page.md"]}]
    root = tmp_path / "repository"
    for path, text in {
        "mkdocs.yml": yaml.safe_dump(settings),
        "README.md": "# Read me\n\n[page](docs/page.md#a-heading)\n",
        "docs/page.md": "# Page\n\n## A heading\n",
        "rules/one.yml": "a: 1\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools/site_hooks.py", root / "tools")
    return root


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder, and yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_navigation_has_every_page_once_and_no_other() -> None:
    listed = pages_of(yaml.safe_load(CONFIGURATION.read_text())["nav"])
    assert sorted(listed) == sorted(str(page.relative_to(ROOT)) for page in PAGES), f"fix nav in {CONFIGURATION}"


def test_the_readme_is_the_first_page() -> None:
    assert pages_of(yaml.safe_load(CONFIGURATION.read_text())["nav"])[0] == "README.md"


@pytest.mark.programs
def test_the_site_has_every_page_with_what_stands_on_it_and_the_files_of_docs(site: Path) -> None:
    assert [str(page) for page in PAGES if not (site / target(page)).is_file()] == []
    files = [file for file in DOCS.rglob("*") if file.is_file() and file.suffix != ".md"]
    assert [file.name for file in files if (site / file.relative_to(ROOT)).read_bytes() != file.read_bytes()] == []


@pytest.mark.programs
def test_a_page_of_the_site_says_what_a_code_forge_shows(site: Path) -> None:
    for page in PAGES:
        assert parsed(site / target(page)).content == on_a_forge(page.read_text()), page


@pytest.mark.programs
def test_the_headings_of_a_page_have_the_names_that_a_code_forge_gives_them(site: Path) -> None:
    for page in PAGES:
        assert anchors(page.read_text()) <= parsed(site / target(page)).ids, page


@pytest.mark.programs
def test_the_search_knows_the_title_of_every_page(site: Path) -> None:
    entries = json.loads((site / "search/search_index.json").read_text())["docs"]
    titles = {entry["location"]: entry["title"] for entry in entries}
    expected = {target(page): page.read_text().splitlines()[0].removeprefix("# ") for page in PAGES}
    assert {location: titles.get(location) for location in expected} == expected


@pytest.mark.programs
def test_every_link_within_the_site_leads_to_a_file_and_a_place_in_it(site: Path) -> None:
    pages = {path: parsed(path) for path in sorted(site.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            if is_elsewhere(link):
                continue
            url = urlsplit(link)
            start = site if url.path.startswith("/") else path.parent
            led = (start / unquote(url.path).lstrip("/")).resolve() if url.path else path
            led = led / "index.html" if led.is_dir() else led
            anchor = unquote(url.fragment)
            if not led.is_file() or (led in pages and anchor and anchor not in pages[led].ids):
                broken.append((str(path.relative_to(site)), link))
    assert broken == []


@pytest.mark.programs
def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        page = parsed(path)
        assert [url for url in page.loads if is_elsewhere(url)] == [], path
        # The theme would load its program for diagrams from another host.
        assert "mermaid" not in page.classes, path
    for path in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", path.read_text()) == [], path


@pytest.mark.programs
def test_a_search_finds_a_page_and_nothing_is_asked_of_another_host(site: Path) -> None:
    with chromium() as browser, serving(site) as address, browser.new_context() as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(address)
        page.get_by_placeholder("Search").click()
        page.get_by_text("Type to start searching").wait_for()
        page.get_by_placeholder("Search").press_sequentially("BatchExporterDataStale")
        page.locator(".md-search-result__item a").first.click()
        page.wait_for_url("**/docs/*.html*")
        assert "BatchExporterDataStale" in page.locator("article").inner_text()
        page.goto(f"{address}docs/architecture.html")
        page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


FAULTS = [
    ("docs/new.md", "# New\n", "docs/new.md"),
    ("README.md", "[other](docs/other.md)", "'docs/other.md'"),
    ("README.md", "[page](docs/page.md#another-heading)", "'docs/page.md#another-heading'"),
    ("docs/page.md", "[own](#another-heading)", "'#another-heading'"),
    ("docs/page.md", "[absolute](/README.md)", "'/README.md'"),
    ("docs/page.md", "[folder](../rules)", "'../rules'"),
    ("docs/page.md", "[outside](../../secret.yml)", "'../../secret.yml'"),
    ("docs/page.md", "![picture](picture.png)", "'picture.png'"),
]
"""What is added to which file, and what the build says of it."""


@pytest.mark.programs
def test_each_page_or_link_that_the_site_lacks_fails_the_build_and_is_named(small: Path) -> None:
    (small.parent / "secret.yml").touch()
    for path, added, _ in FAULTS:
        with (small / path).open("a") as file:
            file.write(f"\n{added}\n")
    done = build(small.parent / "site", small)
    assert done.returncode != 0
    assert [message for _, _, message in FAULTS if message not in done.stderr] == []
    assert f"Aborted with {len(FAULTS)} warnings in strict mode!" in done.stderr + done.stdout


@pytest.mark.programs
def test_a_page_of_the_navigation_that_was_renamed_fails_the_build_and_is_named(small: Path) -> None:
    (small / "docs/page.md").rename(small / "docs/renamed.md")
    done = build(small.parent / "site", small)
    assert done.returncode != 0
    assert "'docs/page.md' is included in the 'nav' configuration" in done.stderr


@pytest.mark.programs
def test_the_site_has_what_its_pages_link_to_and_nothing_else_of_the_repository(small: Path) -> None:
    (small / "rules/two.yml").touch()
    (small / "docs/data.json").write_text("{}")
    (small / "docs/page.md").write_text("# Page\n\n## A heading\n\n[rules](../rules/one.yml)\n")
    done = build(small.parent / "site", small)
    assert done.returncode == 0, done.stderr
    built = {str(path.relative_to(small.parent / "site")) for path in (small.parent / "site").rglob("*")}
    assert {"index.html", "docs/page.html", "docs/data.json", "rules/one.yml"} <= built
    assert {"rules/two.yml", "mkdocs.yml", "tools"} & built == set()


@pytest.mark.programs
def test_what_code_forges_read_in_another_way_than_mkdocs_is_read_their_way(small: Path) -> None:
    text = """# Page

## A heading

## A `heading`: its *end* - and a_name

## A heading

| a | b |
| --- | --- |
| `x=~"a\\|b"` and `c \\| d` | 2 |

````
```
| `a\\|b` |
some text
* no list
````

some text
* a list,
  which goes on
* and on

1. a list

   that goes on

   ```sh
   echo fenced
     echo further
   ```
10. with
    more lines
    * a list in it
      goes on
      1. and one in that
      2. two
    * two

    on

* an item
```
  at the left
```
* an item
# A heading
text
## A heading
```
fenced
```
* an item
  ```
    fenced
  ```
  on

Not a list: it was in
2020. So it goes on.
* `a\\|b`
  * c
    * d
* e

| a | b |
| --- | --- |
| `c \\| d` | e |

`a\\|b`
"""
    (small / "docs/page.md").write_text(text)
    done = build(small.parent / "site", small)
    assert done.returncode == 0, done.stderr
    page = parsed(small.parent / "site/docs/page.html")
    assert anchors(text) <= page.ids
    assert page.content == on_a_forge(text)
