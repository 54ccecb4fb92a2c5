"""The frame of every dashboard: links, annotations, time; each dashboard has a module for its panels."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana import variables
from grafana.layout import Row, placed
from grafana.panels import DATASOURCE, JSON
from grafana.promql import TARGET

TAG = "batch-exporter"
TITLES = {
    "batch-exporter-overview": "Overview",
    "batch-exporter-inkit": "Inkit",
    "batch-exporter-packagex": "PackageX",
    "batch-exporter-health": "Exporter health",
    "batch-exporter-replicas": "Replicas",
}
_OF_ONE_SYSTEM = {"batch-exporter-inkit", "batch-exporter-packagex"}
"""Their accounts are not those of each other."""
FAILURES = ("Failed records", "${exporter}/failures")
OF_EXPORTERS = f"and on (cluster, job, instance) batch_exporter_build_info{{{TARGET}}}"
"""Of the metrics that every process has, those of the chosen exporters."""
_RULES = 'alertname=~"(Inkit|PackageX|BatchExporter|BatchErrorBudget|BatchMoreInFlight).*"'
"""The rules' names begin with what they are about."""
FIRING = f'ALERTS{{alertstate="firing",{_RULES},cluster=~"$cluster|",job=~"$job|",account=~"$account|"}}'
"""The alerts of the chosen accounts, and those about the exporter as a whole, which have no account."""

_SOURCE = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "cluster", "job"))
"""Where the numbers come from, to be taken along to another dashboard."""
_SCHEMA_VERSION = 41
"""Every Grafana 12 knows it; newer ones migrate it when they load it."""


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
            "links": _links(self.uid),
            "annotations": {"list": _annotations()},
            "templating": {
                "list": [
                    variables.datasource(),
                    variables.cluster(),
                    variables.job(),
                    *self.variables,
                    variables.exporter(),
                ]
            },
            "panels": placed(self.rows),
        }


def opens(uid: str, **chosen: str) -> str:
    """Return the URL of another dashboard with the same range and accounts, and with these values of its variables."""
    more = "".join(f"&var-{name}={value}" for name, value in chosen.items())
    account = "" if "account" in chosen else "&${account:queryparam}"
    return f"/d/{uid}?${{__url_time_range}}&{_SOURCE}{account}{more}"


def _links(own: str) -> list[JSON]:
    others = [uid for uid in TITLES if uid != own]
    return [
        *(
            _link(TITLES[uid], _beside(own, uid), icon="dashboard", tooltip="With the same time range")
            for uid in others
        ),
        _link(*FAILURES, icon="bolt", tooltip="The exporter's page of the latest failed records, with their IDs"),
        _link("Runbooks", "${exporter}/runbooks", icon="doc", tooltip="What each alert means and how to fix it"),
    ]


def _beside(own: str, uid: str) -> str:
    account = "" if {own, uid} == _OF_ONE_SYSTEM else "&${account:queryparam}"
    return f"/d/{uid}?{_SOURCE}{account}"


def _link(title: str, url: str, icon: str, tooltip: str) -> JSON:
    within = url.startswith("/d/")
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": icon,
        "tooltip": tooltip,
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": within,
        "targetBlank": not within,
    }


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
            f"process_start_time_seconds * 1000 {OF_EXPORTERS}",
            title="Exporter started",
            text="{{instance}}",
        )
        | {"useValueForTime": True},
    ]


def _annotation(name: str, color: str, expr: str, title: str, text: str) -> JSON:
    return {
        "name": name,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "datasource": DATASOURCE,
        "target": {"refId": "Anno", "expr": expr, "interval": "60s"},
        "titleFormat": title,
        "textFormat": text,
    }
