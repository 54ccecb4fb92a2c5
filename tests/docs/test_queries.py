"""The queries and metrics that pages for newcomers name exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.exposition.catalog import catalog
from exporter.systems import families
from tests.support.pages import DOCS, blocks
from tests.support.paths import ROOT
from tests.support.rules import named

README = ROOT / "README.md"
USAGE = DOCS / "usage.md"
PAGES = (README, USAGE, DOCS / "getting-started.md", DOCS / "intervals.md")
LABELS = {
    f"{family.name}{suffix}": {*family.labels, *(["le"] if suffix else [])}
    for family in catalog(families())
    for suffix in (["_bucket"] if family.kind == "histogram" else [""])
}
NAME = re.compile(r"\b((?:inkit|packagex|batch_exporter)_\w+)\b")


def queries() -> Iterator[tuple[Path, str]]:
    """Yield the queries of the table in docs/usage.md, with `|` written as `\\|`, and those in code blocks."""
    for row in re.findall(r"^\| [^|]*\| `(.+)` \|$", USAGE.read_text().split("| question | query |")[1], re.MULTILINE):
        yield USAGE, row.replace("\\|", "|")
    for page in PAGES:
        for block in blocks(page, "promql"):
            yield page, block.strip()


@pytest.mark.parametrize(("page", "query"), list(queries()))
def test_a_query_names_metrics_and_labels_that_there_are(page: Path, query: str) -> None:
    found = named(query)
    assert found.selected
    for metric, matchers in found.selected:
        assert found.labels | set(matchers) <= LABELS[metric]


def test_the_table_of_queries_covers_both_systems() -> None:
    of_table = (named(query) for page, query in queries() if page == USAGE)
    asked = {metric.partition("_")[0] for found in of_table for metric, _ in found.selected}
    assert asked == {"inkit", "packagex", "batch"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_metric_that_a_page_names_is_in_the_catalog(page: Path) -> None:
    assert set(NAME.findall(page.read_text())) - set(LABELS) == set()
