"""`python -m grafana`: write dashboards/*.json."""

import json
from pathlib import Path

from grafana import health, inkit, overview, packagex, replicas
from grafana.frame import Dashboard

FOLDER = Path(__file__).parent / "dashboards"


def dashboards() -> tuple[Dashboard, ...]:
    """Return all dashboards, the overview first."""
    return overview.dashboard(), inkit.dashboard(), packagex.dashboard(), health.dashboard(), replicas.dashboard()


def text(dashboard: Dashboard) -> str:
    """Return the content of a dashboard's file."""
    return json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for dashboard in dashboards():
        (FOLDER / f"{dashboard.uid}.json").write_text(text(dashboard))


if __name__ == "__main__":
    main()
