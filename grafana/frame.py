"""What all dashboards have in common: links, annotations, time; the panels come from a module for each dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import variables
from grafana.layout import Row, placed
from grafana.panels import DATASOURCE, JSON

TAG = "batch-exporter"
FAILURES = ("Failed records", "${exporter}/failures")
_RULES = 'alertname=~"(Inkit|PackageX|BatchExporter|BatchErrorBudget).*"'
"""The rules' names begin with what they are about."""
FIRING = f'ALERTS{{alertstate="firing",{_RULES},account=~"$account|"}}'
"""The alerts of the chosen accounts, and those about the exporter as a whole, which have no account."""

_SCHEMA_VERSION = 41
"""That of Grafana 12.0; newer ones migrate it when they load it."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    description: str
    variables: tuple[JSON, ...]
    rows: tuple[Row, ...]

    def json(self) -> JSON:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": _SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": "now-6h", "to": "now"},
            "refresh": "1m",
            "links": _links(),
            "annotations": {"list": _annotations()},
            "templating": {
                "list": [variables.datasource(), *self.variables, variables.exporter(), variables.runbooks()]
            },
            "panels": placed(self.rows),
        }


def opens(uid: str, **chosen: str) -> str:
    """The URL of another dashboard with the same range and accounts, and these values of its variables."""
    more = "".join(f"&var-{name}={value}" for name, value in chosen.items())
    account = "" if "account" in chosen else "&${account:queryparam}"
    return f"/d/{uid}?${{__url_time_range}}&${{datasource:queryparam}}{account}{more}"


def _links() -> Sequence[JSON]:
    common: JSON = {"asDropdown": False, "includeVars": False, "keepTime": False, "targetBlank": True, "tags": []}
    return [
        {
            **common,
            "type": "dashboards",
            "title": "Dashboards",
            "icon": "external link",
            "tooltip": "The other dashboards of batch-exporter, with the same range and accounts",
            "tags": [TAG],
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "url": "",
        },
        {
            **common,
            "type": "link",
            "title": FAILURES[0],
            "icon": "bolt",
            "tooltip": "The exporter's page of the last failed records, with their ids",
            "url": FAILURES[1],
        },
        {
            **common,
            "type": "link",
            "title": "Runbooks",
            "icon": "doc",
            "tooltip": "What each alert means and what to do",
            "url": "${runbooks}",
        },
    ]


def _annotations() -> Sequence[JSON]:
    return [
        _annotation(
            "Alerts",
            "red",
            FIRING,
            title="{{alertname}}",
            text="{{account}} {{collector}} {{destination}} {{resource}} {{workflow}}",
        ),
        _annotation(
            "Exporter started",
            "blue",
            "process_start_time_seconds * 1000 and on (job, instance) batch_exporter_build_info",
            title="Exporter started",
            text="{{instance}}",
        )
        | {"useValueForTime": True},
    ]


def _annotation(name: str, colour: str, expr: str, title: str, text: str) -> JSON:
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "datasource": DATASOURCE,
        "target": {"refId": "Anno", "expr": expr, "interval": "60s"},
        "titleFormat": title,
        "textFormat": text,
    }
