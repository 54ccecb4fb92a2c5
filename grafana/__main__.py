"""`python -m grafana`: writes dashboards/*.json."""

import json
from pathlib import Path

from grafana import health, inkit, overview, packagex
from grafana.frame import Dashboard

FOLDER = Path(__file__).parent / "dashboards"


def dashboards() -> tuple[Dashboard, ...]:
    """From the first one that is opened to the last."""
    return overview.dashboard(), inkit.dashboard(), packagex.dashboard(), health.dashboard()


def text(dashboard: Dashboard) -> str:
    """A dashboard as its file holds it."""
    return json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for dashboard in dashboards():
        (FOLDER / f"{dashboard.uid}.json").write_text(text(dashboard))


if __name__ == "__main__":
    main()
