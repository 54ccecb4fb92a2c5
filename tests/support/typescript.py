"""The dashboards as TypeScript literals of Grafana's own types, for its compiler to judge."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.patience import GENEROUS

MODULES = Path(sys.prefix) / "grafana" / "node_modules"
"""Where `make test` has put what package.json beside this file names."""
_CONFIGS = {
    "bargauge": "BarGauge",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "timeseries": "TimeSeries",
}
_WITH_FIELDS = ("state-timeline", "table", "timeseries")
_PROMETHEUS = ("target", "titleFormat", "textFormat", "useValueForTime")
"""What annotations of Prometheus have beside those of every data source."""
# An enum's members may stand as their values, and anything may be left out: both are so in JSON.
_HEAD = """
import type * as Dashboards from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";
type Plain<T> = T extends string ? `${T}` : T extends number | boolean ? T
  : T extends Array<infer One> ? Array<Plain<One>>
  : T extends object ? { [Key in keyof T]?: Plain<T[Key]> } : T;
"""


class Literal(NamedTuple):
    """A value, and the type it is to have."""

    name: str
    type: str
    value: Any


def literals(name: str, dashboard: dict[str, Any]) -> Iterator[Literal]:
    """Yield a dashboard in pieces, so that a fault in one is kept apart from the others."""
    rest = {key: value for key, value in dashboard.items() if key not in ("panels", "annotations")}
    yield Literal(name, "Dashboards.Dashboard", rest)
    for at, annotation in enumerate(dashboard["annotations"]["list"]):
        known = {key: value for key, value in annotation.items() if key not in _PROMETHEUS}
        yield Literal(f"{name}.annotations[{at}]", "Dashboards.AnnotationQuery", known)
    for panel in dashboard["panels"]:
        yield from _panel(f"{name}.{panel['title']}", panel)


def _panel(name: str, panel: dict[str, Any]) -> Iterator[Literal]:
    kind = panel["type"]
    if kind == "row":
        yield Literal(name, "Dashboards.RowPanel", panel)
        return
    yield Literal(name, "Dashboards.Panel", panel)
    yield Literal(f"{name}.options", f"{_CONFIGS[kind]}.Options", panel["options"])
    if kind in _WITH_FIELDS:
        yield Literal(f"{name}.custom", f"{_CONFIGS[kind]}.FieldConfig", panel["fieldConfig"]["defaults"]["custom"])


def complaints(folder: Path, pieces: Iterable[Literal]) -> dict[str, str]:
    """Return the compiler's messages by the names of the pieces; `folder` is to work in."""
    named = list(pieces)
    imports = "".join(
        f"import type * as {config} from "
        f'"@grafana/schema/dist/esm/raw/composable/{config.lower()}/panelcfg/x/{config}PanelCfg_types.gen";\n'
        for config in _CONFIGS.values()
    )
    lines = (f"export const _{at}: Plain<{part.type}> = {json.dumps(part.value)};" for at, part in enumerate(named))
    first = _HEAD + imports
    (folder / "dashboards.ts").write_text(first + "\n".join(lines) + "\n")
    (folder / "node_modules").symlink_to(MODULES)
    options = ("--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler", "--pretty", "false")
    output = subprocess.run(
        [Path(sys.prefix) / "bin" / "node", MODULES / "typescript" / "bin" / "tsc", *options, "dashboards.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=5 * GENEROUS,
        check=False,
    ).stdout
    offset = first.count("\n") + 1
    found: dict[str, str] = {}
    for line, message in re.findall(r"^dashboards\.ts\((\d+),\d+\): (.*)", output, re.MULTILINE):
        assert int(line) >= offset, message
        found.setdefault(named[int(line) - offset].name, message)
    assert found or not output, output
    return found
