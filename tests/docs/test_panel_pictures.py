"""The pictures of dashboards in docs/grafana.md have the panels of the dashboards, with what their queries return."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.dashboards import DASHBOARDS, panels
from tests.support.grafana_stage import Prometheus
from tests.support.pages import DOCS
from tools.panel_pictures import LENGTH, PICTURES, STEP, picture
from tools.panel_values import Cell, Range, numbers, series, table, written

NOW = 1_767_323_165.0
SHOWN = Range(NOW, LENGTH, STEP)


@dataclass(frozen=True, slots=True)
class Answering(Prometheus):
    """A Prometheus that answers each query with the same series."""

    series: tuple[tuple[dict[str, str], float], ...] = ()

    def ask(self, path: str, **parameters: str) -> Any:
        assert not re.search(r"\$[a-z_]", parameters["query"])
        times = [NOW - STEP, NOW] if path == "query_range" else [NOW]
        return {
            "result": [
                {"metric": labels, "value": [NOW, f"{value}"], "values": [[at, f"{value}"] for at in times]}
                for labels, value in self.series
            ]
        }


TWO = Answering("", series=(({"account": "example", "collector": "batches"}, 2.0), ({"account": "<b>"}, 1.0)))


def elements(svg: str, kind: str) -> list[str]:
    found = ET.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{kind}")  # noqa: S314 (the picture is ours)
    return [element.text or "" for element in found]


def texts(svg: str) -> str:
    return " ".join(elements(svg, "text"))


def upper(name: str, bottom: int) -> list[dict[str, Any]]:
    return [panel for panel in panels(DASHBOARDS[f"batch-exporter-{name}"]) if panel["gridPos"]["y"] < bottom]


@pytest.mark.parametrize("file", PICTURES)
def test_a_committed_picture_has_each_panel_of_the_dashboard_as_it_is_now(file: str) -> None:
    name, bottom = PICTURES[file]
    svg = (DOCS / file).read_text()
    for panel in upper(name, bottom):
        assert panel["title"] in texts(svg), f"{panel['title']}: draw it again: make pictures"
    assert elements(svg, "title") == [panel["description"] for panel in upper(name, bottom)], (
        "draw it again: make pictures"
    )


def test_the_page_shows_each_picture() -> None:
    assert set(re.findall(r"\]\((grafana-\w+\.svg)\)", (DOCS / "grafana.md").read_text())) == set(PICTURES)


@pytest.mark.parametrize("file", PICTURES)
@pytest.mark.parametrize("prometheus", [TWO, Answering("")], ids=["series", "nothing"])
def test_a_picture_can_be_drawn_of_any_answer(file: str, prometheus: Prometheus) -> None:
    name, bottom = PICTURES[file]
    svg = picture(DASHBOARDS[f"batch-exporter-{name}"], bottom, prometheus, SHOWN)
    assert ("example" in texts(svg)) == (prometheus is TWO)
    assert "not by Grafana" in texts(svg)


def test_a_kind_of_panel_without_a_drawing_is_no_gap() -> None:
    with pytest.raises(ValueError, match="Polls: there is no drawing of a state-timeline"):
        picture(DASHBOARDS["batch-exporter-health"], 23, TWO, SHOWN)


def panel(title: str) -> dict[str, Any]:
    return next(panel for panel in panels(DASHBOARDS["batch-exporter-overview"]) if panel["title"] == title)


def test_a_number_has_the_color_of_its_threshold_and_nothing_says_so() -> None:
    assert numbers(TWO, panel("Firing alerts"), SHOWN)[0] == ("", Cell("2", "red"))
    for value, color in ((0.0, "green"), (0.9, "green"), (1.0, "red")):
        answering = Answering("", series=(({}, value),))
        assert numbers(answering, panel("Firing alerts"), SHOWN)[0][1].color == color
    assert numbers(Answering(""), panel("Error budget left"), SHOWN) == [("", Cell("nothing finished"))]


def test_lines_have_the_names_of_the_legend() -> None:
    assert [line.name for line in series(TWO, panel("Open records"), SHOWN)] == ["<b>", "example batches"]
    assert series(TWO, panel("Open records"), SHOWN)[1].points == [(NOW - STEP, 2.0), (NOW, 2.0)]


def test_a_table_has_the_columns_of_the_panel_that_have_something_in_its_order() -> None:
    heads, rows = table(TWO, panel("Stuck records by collector"), SHOWN)
    assert heads == ["Account", "Collector", "Stuck", "Open", "Open since", "Age"]
    assert [[cell.text for cell in row][:4] for row in rows] == [
        ["example", "batches", "2", "2"],
        ["<b>", "", "1", "1"],
    ]
    assert rows[0][2].color == "red"


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (2.0, "short", None, "2"),
        (2.06, "short", 0, "2"),
        (2.065, "short", None, "2.06"),
        (0.125, "percentunit", 1, "12.5%"),
        (-4.84, "percentunit", 0, "-484%"),
        (45.2, "s", None, "45 s"),
        (300.0, "s", None, "5 min"),
        (26_640.0, "s", None, "7.4 h"),
        ((NOW - 8) * 1000, "dateTimeFromNow", None, "8 s ago"),
        (NOW * 1000, "dateTimeAsSystem", None, "03:06:05"),
    ],
)
def test_a_number_is_written_in_its_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert written(value, unit, NOW, decimals) == text


def test_a_unit_that_is_not_known_is_not_written_as_a_plain_number() -> None:
    with pytest.raises(KeyError, match="bytes"):
        written(1.0, "bytes", NOW)
