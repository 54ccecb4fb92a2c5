"""The benchmarks run, and count right; how fast anything is is not tested."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.bench import Bench, Sizes
from benchmarks.figures import figures
from benchmarks.report import BEGIN, END, PAGE, Row, measured, write
from benchmarks.world import Scene

TINY = Sizes(
    small=300,
    large=600,
    in_flight=6,
    among=24,
    backfill=300,
    late=200,
    accounts=3,
    account_records=120,
    polls=1,
    rounds=1,
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    return list(figures(Bench(TINY, tmp_path_factory.mktemp("bench"), apart=False)))


def named(rows: Sequence[Row], figure: str) -> list[Row]:
    return [row for row in rows if row.figure == figure]


def test_the_page_shows_every_figure_that_is_measured(rows: Sequence[Row]) -> None:
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    shown = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert shown == [row.figure for row in rows]


@pytest.mark.parametrize("collector", ["document_batches", "workflow_batches", "invocations"])
def test_a_quiet_poll_is_counted_by_the_server_and_does_not_grow_with_the_window(
    rows: Sequence[Row], collector: str
) -> None:
    small, large = named(rows, f"requests of a quiet poll, {collector}")
    assert small.ours == large.ours == "1"
    assert (small.beside, large.beside) == ("naive exporter: 3", "naive exporter: 6")


def test_what_is_in_flight_far_down_the_list_costs_requests_too(rows: Sequence[Row]) -> None:
    [batches] = named(rows, "requests of a quiet poll, document_batches, worst case")
    [invocations] = named(rows, "requests of a quiet poll, invocations, worst case")
    assert (batches.ours, invocations.ours) == ("3", "2")


def test_those_in_flight_stand_at_even_distances_among_the_newest() -> None:
    scene = Scene(records=100, in_flight=3, among=12)
    assert [place for place in range(100) if scene.is_open(place)] == [3, 7, 11]


def test_the_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    text = measured([Row("a figure", "here", "1", "2", "1/2", "at most 3")], "make bench")
    write(text, page)
    assert page.read_text() == f"before\n{BEGIN}{text}{END}after\n"
    assert "| a figure | here | 1 | 2 | 1/2 | at most 3 |\n" in text


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers\n")
    with pytest.raises(ValueError, match="no place for the table"):
        write("text\n", page)
    assert page.read_text() == "no markers\n"
