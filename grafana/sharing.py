"""Dashboards in the form that grafana.com and Grafana's import dialog ask questions for."""

from grafana.panels import JSON
from grafana.variables import EXPORTER_URL

_SOURCE = "DS_PROMETHEUS"
_EXPORTER = "VAR_EXPORTER"
_INPUTS: list[JSON] = [
    {
        "name": _SOURCE,
        "label": "Prometheus",
        "description": "The Prometheus that scrapes the exporter.",
        "type": "datasource",
        "pluginId": "prometheus",
        "pluginName": "Prometheus",
    },
    {
        "name": _EXPORTER,
        "type": "constant",
        "label": "Exporter",
        "value": EXPORTER_URL,
        "description": "The exporter's URL as your browser reaches it.",
    },
]
_PANELS = {
    "bargauge": "Bar gauge",
    "stat": "Stat",
    "state-timeline": "State timeline",
    "table": "Table",
    "timeseries": "Time series",
}
_GRAFANA = "12.0.0"
"""The oldest version that the dashboards are for."""


def shared(dashboard: JSON) -> JSON:
    """Return a dashboard as Grafana exports it for sharing externally: who imports it is asked for the inputs.

    The answers become the values of the variables `datasource` and `exporter`, which can be changed later.
    Raises KeyError for a panel of a kind without a name in Grafana.
    """
    kinds = sorted({panel["type"] for panel in dashboard["panels"]} - {"row"})
    return {
        "__inputs": _INPUTS,
        "__elements": {},
        "__requires": [
            *({"type": "panel", "id": kind, "name": _PANELS[kind], "version": ""} for kind in kinds),
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": _GRAFANA},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        ],
        "id": None,
        **dashboard,
        "templating": {"list": [_asked(variable) for variable in dashboard["templating"]["list"]]},
    }


def _asked(variable: JSON) -> JSON:
    match variable["name"]:
        case "datasource":
            chosen = f"${{{_SOURCE}}}"
            return variable | {"current": {"text": chosen, "value": chosen}}
        case "exporter":
            given = f"${{{_EXPORTER}}}"
            current = {"text": given, "value": given}
            return variable | {"query": given, "current": current, "options": [current | {"selected": True}]}
    return variable
