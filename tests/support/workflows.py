"""The workflows of GitHub, as YAML."""

from pathlib import Path
from typing import Any

from tests.support import yaml_files
from tests.support.paths import ROOT

GITHUB = ROOT / ".github"
Yaml = dict[str, Any]


def read(path: Path) -> Yaml:
    found: Yaml = yaml_files.read(path.read_text())
    return found


def jobs(path: Path) -> dict[str, Yaml]:
    return dict(read(path)["jobs"])


def steps(path: Path) -> list[Yaml]:
    return [step for job in jobs(path).values() for step in job.get("steps", ())]


def step_named(workflow: str, name: str) -> Yaml:
    """Return the step of a workflow with this name or action."""
    (found,) = (
        step for step in steps(GITHUB / "workflows" / workflow) if name in str(step.get("name") or step.get("uses"))
    )
    return found
