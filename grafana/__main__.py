"""`python -m grafana`: write dashboards/*.json, import/*.json and alerting/*.yaml."""

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from grafana import health, inkit, overview, packagex, replicas
from grafana.alerting import managed
from grafana.frame import Dashboard
from grafana.panels import JSON
from grafana.sharing import shared

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules"


def dashboards() -> tuple[Dashboard, ...]:
    """Return all dashboards, the overview first."""
    return overview.dashboard(), inkit.dashboard(), packagex.dashboard(), health.dashboard(), replicas.dashboard()


def files() -> Mapping[Path, str]:
    """Return all generated files by their paths in this folder."""
    made: dict[Path, str] = {}
    for dashboard in dashboards():
        content = dashboard.json()
        made[Path("dashboards", f"{dashboard.uid}.json")] = _json(content)
        made[Path("import", f"{dashboard.uid}.json")] = _json(shared(content))
    for rules in sorted(RULES.glob("*.yml")):
        made[Path("alerting", f"batch-exporter-{rules.stem}.yaml")] = _alerts(rules)
    return made


def _json(content: JSON) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _alerts(rules: Path) -> str:
    head = f"# Made from prometheus/rules/{rules.name} by `make docs`: change that file.\n"
    # Each text on a line of its own: a folded one is hard to search.
    return head + yaml.safe_dump(managed(yaml.safe_load(rules.read_text())), sort_keys=False, width=100_000)


def main() -> None:
    for path, text in files().items():
        (HERE / path).write_text(text)


if __name__ == "__main__":
    main()
