"""Panels as values, and their JSON for Grafana; layout.py places them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

JSON = dict[str, Any]
DATASOURCE: JSON = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query. An `instant` one gives the state at the end of the range, for tables, stats and bars."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False
    """Ask for exemplars too: the IDs of the records that raised a counter of failures."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel shows; `defaults` and `options` are those of Grafana's panel JSON."""

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    defaults: Mapping[str, Any]
    options: Mapping[str, Any]
    overrides: tuple[JSON, ...] = ()
    transformations: tuple[JSON, ...] = ()
    links: tuple[JSON, ...] = ()

    def linked(self, title: str, url: str) -> "Panel":
        """Return the panel with a link in its corner."""
        link = {"title": title, "url": url, "targetBlank": not url.startswith("/")}
        return replace(self, links=(*self.links, link))

    def json(self, number: int, place: JSON) -> JSON:
        """Return the JSON of the panel in a dashboard."""
        made = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": place,
            "fieldConfig": {"defaults": dict(self.defaults), "overrides": list(self.overrides)},
            "options": dict(self.options),
            "targets": [_target(chr(ord("A") + at), query, self.kind) for at, query in enumerate(self.queries)],
        }
        if self.transformations:
            made["transformations"] = list(self.transformations)
        if self.links:
            made["links"] = list(self.links)
        return made


def _target(ref: str, query: Query, kind: str) -> JSON:
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "table" if kind == "table" else "time_series",
        "instant": query.instant,
        "range": not query.instant,
        "exemplar": query.exemplar,
    }


def steps(*colors: tuple[float | None, str]) -> JSON:
    """Return thresholds: from each value on (None: from the start) this color."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in colors]}


def mapped(words: dict[str, tuple[str, str]]) -> JSON:
    """Return a mapping of values to words with a color."""
    return {"type": "value", "options": {word: {"text": text, "color": color} for word, (text, color) in words.items()}}


NEUTRAL = steps((None, "text"))
NONE_IS_GOOD = steps((None, "green"), (1, "red"))
BUDGET = steps((None, "red"), (0, "orange"), (0.25, "green"))
DATA_AGE = steps((None, "green"), (0.5, "orange"), (1, "red"))
"""The age of data as a share of `stale_after`, from which on the numbers are dropped."""


def _defaults(unit: str, thresholds: JSON, decimals: int | None, no_value: str, mode: str) -> JSON:
    made: JSON = {"unit": unit, "thresholds": thresholds, "color": {"mode": mode}}
    if decimals is not None:
        made["decimals"] = decimals
    if no_value:
        made["noValue"] = no_value
    return made


def _reduced() -> JSON:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    thresholds: JSON = NEUTRAL,
    decimals: int | None = None,
    no_value: str = "no data",
    mappings: Sequence[JSON] = (),
) -> Panel:
    """Return a panel with one large number. If it has thresholds, its background shows which one is reached."""
    defaults = _defaults(unit, thresholds, decimals, no_value, "thresholds")
    defaults["mappings"] = list(mappings)
    options = {
        "colorMode": "value" if thresholds == NEUTRAL else "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": _reduced(),
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    return Panel(
        "stat", title, description, tuple(replace(query, instant=True) for query in queries), defaults, options
    )


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    thresholds: JSON = NEUTRAL,
    bars: bool = False,
    minimum: float | None = 0,
    maximum: float | None = None,
    decimals: int | None = None,
    calcs: Sequence[str] = ("lastNotNull", "max"),
) -> Panel:
    """Return a panel of series over time; `bars` draws stacked counts. Gaps are kept: there was no fresh data."""
    defaults = _defaults(unit, thresholds, decimals, "", "palette-classic-by-name")
    for name, value in (("min", minimum), ("max", maximum)):
        if value is not None:
            defaults[name] = value
    defaults["custom"] = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 80 if bars else 10,
        "lineWidth": 0 if bars else 2,
        "showPoints": "never" if bars else "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if bars else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if thresholds == NEUTRAL else "dashed"},
    }
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": list(calcs)},
        "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": True},
    }
    return Panel("timeseries", title, description, queries, defaults, options)


def counts(title: str, description: str, *queries: Query) -> Panel:
    """Return a panel of counts over time, as stacked bars with sums."""
    return lines(title, description, *queries, unit="short", bars=True, decimals=0, calcs=("sum",))


def bar_gauge(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    thresholds: JSON = NEUTRAL,
    minimum: float = 0,
    maximum: float | None = None,
    decimals: int | None = None,
) -> Panel:
    """Return a panel with one bar for each series, to compare them."""
    defaults = _defaults(unit, thresholds, decimals, "none", "thresholds") | {"min": minimum}
    if maximum is not None:
        defaults["max"] = maximum
    options = {
        "displayMode": "basic",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "maxVizHeight": 40,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "left",
        "orientation": "horizontal",
        "reduceOptions": _reduced(),
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    instant = tuple(replace(query, instant=True) for query in queries)
    return Panel("bargauge", title, description, instant, defaults, options)


def on_off(title: str, description: str, *queries: Query) -> Panel:
    """Return a panel with a band for each series: green while it is 1, red while it is 0."""
    states = {"0": {"text": "failing", "color": "red"}, "1": {"text": "polled", "color": "green"}}
    defaults = _defaults("none", steps((None, "red"), (1, "green")), None, "", "thresholds")
    defaults["mappings"] = [{"type": "value", "options": states}]
    defaults["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    options = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return Panel("state-timeline", title, description, queries, defaults, options)
