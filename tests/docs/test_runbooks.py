"""The exporter's page of runbooks says what docs/alerts.md says, and every link on it works."""

from importlib.resources import files

import pytest

from tests.support.html_reader import Reader
from tests.support.pages import DOCS, anchors
from tests.support.paths import ROOT
from tools.runbooks import fragment

PAGE = (DOCS / "alerts.md").read_text()


def written(markdown: str) -> Reader:
    return Reader(fragment(markdown))


def ids(reader: Reader) -> list[str]:
    return [str(attributes["id"]) for _, attributes in reader.tags if "id" in attributes]


def test_the_page_that_is_served_is_written_from_docs_alerts() -> None:
    served = files("exporter.web.pages").joinpath("runbooks.html").read_text("utf-8")
    assert served == fragment(PAGE), "write it again: make docs"


def test_the_page_needs_nothing_but_itself() -> None:
    reader = written(PAGE)
    allowed = {"article", "h1", "h2", "h3", "p", "strong", "em", "code", "pre", "a", "ul", "ol", "li", "div", "span"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert {tag for tag, _ in reader.tags} <= allowed
    # A policy that allows one style by its hash allows none in an attribute.
    assert {name for _, attributes in reader.tags for name in attributes} <= {
        *("id", "class", "href"),
        *("role", "scope", "tabindex", "aria-label", "data-head"),
    }
    assert {str(link["href"]) for link in reader.attributes("a")} <= {f"#{anchor}" for anchor in ids(reader)}


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    text = "# A `b_c`: *its* [end](#2)\n\n## Twice\n\n## Twice\n\n# 2\n"
    assert set(ids(written(text))) == anchors(text) == {"a-b_c-its-end", "twice", "twice-1", "2"}
    assert set(ids(written(PAGE))) == anchors(PAGE)
    assert len(ids(written(PAGE))) == len(anchors(PAGE))


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ("[metrics.md](metrics.md)", "docs/metrics.md"),
        ("[docs/metrics.md](metrics.md#a)", "docs/metrics.md"),
        ("[measured](end-to-end.md)", "measured (docs/end-to-end.md)"),
        ("[**all** of `them`](troubleshooting.md#state-file)", "all of them (docs/troubleshooting.md)"),
        ("[slo.yml](../prometheus/rules/slo.yml)", "prometheus/rules/slo.yml"),
        ("[md](metrics.md)", "md (docs/metrics.md)"),
    ],
)
def test_a_link_to_another_file_is_text_with_its_path(link: str, text: str) -> None:
    reader = written(f"| a |\n| --- |\n| {link} |\n\n- {link}, and on\n\nBefore {link} after.\n")
    assert reader.attributes("a") == []
    assert reader.text == f"a {text} {text}, and on Before {text} after."


def test_a_link_within_the_page_and_one_to_another_host_are_kept() -> None:
    reader = written("# A\n\n[a](#a) [b](https://example.org/x.md)")
    assert [link["href"] for link in reader.attributes("a")] == ["#a", "https://example.org/x.md"]


@pytest.mark.parametrize(
    ("markdown", "message"),
    [
        ("# A\n\n[b](#b)", "alerts.md: the link to #b: there is no such heading"),
        ("![a picture](picture.png)", "alerts.md: the image picture.png: the exporter serves none"),
    ],
)
def test_what_would_lead_nowhere_is_refused(markdown: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fragment(markdown)


def test_a_link_out_of_the_repository_is_refused() -> None:
    with pytest.raises(ValueError, match="is not in the subpath"):
        fragment("[a](../../a.md)", ROOT / "docs/alerts.md", ROOT)


def test_html_and_what_looks_like_it_is_text() -> None:
    reader = written('<script>1</script> <b>\n\n```\n<i>\n```\n\n| "<u>" |\n| --- |\n| <s> |\n')
    assert {"script", "b", "i", "u", "s"}.isdisjoint(tag for tag, _ in reader.tags)
    assert reader.text == '<script>1</script> <b> <i> "<u>" <s>'


def test_a_table_has_the_marks_that_the_style_and_a_screen_reader_need() -> None:
    reader = written("| a `b` | c |\n| --- | --- |\n| 1 `2` | 3 |\n")
    assert reader.attributes("div") == [{"class": "scroll", "role": "region", "aria-label": "a b, c", "tabindex": "0"}]
    assert reader.attributes("table") == [{"role": "table", "aria-label": "a b, c"}]
    assert reader.attributes("th") == [
        {"role": "columnheader", "scope": "col"},
        {"role": "columnheader", "scope": "col"},
        {"role": "rowheader", "scope": "row", "data-head": "a b"},
    ]
    assert reader.attributes("td") == [{"role": "cell", "data-head": "c"}]
    assert [" ".join(cell.split()) for row in reader.rows for cell in row] == ["a b", "c", "1 2", "3"]
