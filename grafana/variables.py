"""The variables at the top of the dashboards."""

from typing import Any

from grafana.panels import DATASOURCE, JSON
from grafana.promql import TARGET

EXPORTER_URL = "http://localhost:10977"
"""The exporter's external URL. The alerts lead there too."""


def datasource() -> JSON:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "description": "The Prometheus that scrapes the exporter.",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "current": {"text": "Prometheus", "value": "prometheus"},
    }


def labels(name: str, title: str, description: str, query: str, all_value: str | None = None) -> JSON:
    """Return a variable with the values of a label; all are selected by default.

    Without an `all_value`, "All" stands for the values listed, so that one variable narrows another.
    """
    made: dict[str, Any] = {
        "type": "query",
        "name": name,
        "label": title,
        "description": description,
        "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": query, "refId": "A"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }
    return made if all_value is None else made | {"allValue": all_value}


def cluster() -> JSON:
    description = "The label `cluster` of the exporter's series. Choose All if there is no such label."
    return labels("cluster", "Cluster", description, "label_values(batch_exporter_up, cluster)", ".*")


def job() -> JSON:
    """Return the variable `job`. All of them are those listed: each process has metrics such as process_open_fds."""
    query = 'label_values(batch_exporter_up{cluster=~"$cluster"}, job)'
    return labels("job", "Job", "The Prometheus job that scrapes the exporter.", query)


def system() -> JSON:
    return labels(
        "system",
        "System",
        "The system that is polled: inkit or packagex.",
        f"label_values(batch_exporter_up{{{TARGET}}}, system)",
    )


def account(which: str) -> JSON:
    """Return the variable `account`. `which` is a matcher that selects one system."""
    query = f"label_values(batch_exporter_up{{{TARGET},{which}}}, account)"
    return labels("account", "Account", "An account in the exporter's configuration.", query)


def choice(name: str, title: str, description: str, values: tuple[str, ...], default: str) -> JSON:
    return {
        "type": "custom",
        "name": name,
        "label": title,
        "description": description,
        "query": ",".join(values),
        "options": [{"text": value, "value": value, "selected": value == default} for value in values],
        "current": {"text": default, "value": default},
        "multi": False,
        "includeAll": False,
        "hide": 0,
    }


def objective() -> JSON:
    description = "Service level objective: the percentage that must succeed."
    return choice("objective", "Objective (%)", description, ("90", "95", "98", "99", "99.5", "99.9"), "99")


def window() -> JSON:
    description = "The time range of ratios and durations. Choose one in which some records finish."
    return choice("window", "Rolling window", description, ("5m", "15m", "1h", "6h", "1d"), "1h")


def exporter() -> JSON:
    return {
        "type": "textbox",
        "name": "exporter",
        "label": "Exporter",
        "description": "The exporter's URL as your browser reaches it. Links to failed records and runbooks use it.",
        "query": EXPORTER_URL,
        "current": {"text": EXPORTER_URL, "value": EXPORTER_URL},
        "options": [{"text": EXPORTER_URL, "value": EXPORTER_URL, "selected": True}],
        "hide": 0,
    }
