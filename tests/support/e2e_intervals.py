"""The examples of prometheus/ with other addresses and intervals, and an exporter's configuration. Starts nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT
from tests.support.prometheus_versions import SYSTEM
from tests.support.rules import FILES

EXAMPLES = ROOT / "prometheus"
JOB = "batch-exporter"
_TOO_LONG_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often each program looks, as durations of Prometheus."""

    poll: str
    scrape: str
    evaluation: str
    group_wait: str
    group_interval: str
    too_long_seconds: int
    """The exporter's `stuck_after`."""
    unscraped_seconds: float | None = None
    """The least time without a scrape until the exporter takes scrapes as stopped; None: the exporter's own."""
    prometheus: str = SYSTEM
    """The version of Prometheus."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """What else to put in the place of what in the rules, as regular expressions."""


QUICK = Intervals(
    poll="1s",
    scrape="500ms",
    evaluation="500ms",
    group_wait="1s",
    group_interval="1s",
    too_long_seconds=60,
    unscraped_seconds=8.0,
    rules={
        # How long one failure fires.
        r"\b15m\b": "6s",
        # Longer than a restart takes, also on a machine with a load of 30: a page that ends and comes again is two.
        r"keep_firing_for: 5m$": "keep_firing_for: 20s",
        # This is for BatchExporterDown: on a busy machine a restart may take longer, and tests must bear that.
        r"^( +)for: 2m$": r"\1for: 4s",
    },
)
"""For tests: a page and its end within seconds, in about the proportions that the examples have."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the exporter's configuration."""

    name: str
    system: str
    collector: str
    url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further keys, in the place of those of all accounts."""


def of_the_examples() -> Intervals:
    """Return the intervals that the examples have for pages, and the poll interval of config.example.yaml."""
    often = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())["global"]
    routes = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())["route"]["routes"]
    route = next(route for route in routes if route["receiver"] == "pager")
    return Intervals(
        yaml.safe_load((ROOT / "config.example.yaml").read_text())["poll_interval"],
        often["scrape_interval"],
        often["evaluation_interval"],
        route["group_wait"],
        route["group_interval"],
        _TOO_LONG_SECONDS,
    )


def exporter_config(folder: Path, token: str, accounts: Sequence[Account], intervals: Intervals) -> Path:
    return _written(
        folder / "config.yaml",
        {
            "poll_interval": intervals.poll,
            "stuck_after": f"{intervals.too_long_seconds}s",
            "max_requests_per_second": 1000,
            "state": {"path": str(folder / "state.db")},
            "accounts": [
                {
                    "name": account.name,
                    "system": account.system,
                    "collectors": [account.collector],
                    "base_url": account.url,
                    "api_token": token,
                    **account.settings,
                }
                for account in accounts
            ],
        },
    )


def prometheus_config(folder: Path, exporter: str, manager: str, intervals: Intervals) -> Path:
    """Write the example's configuration for these addresses, with the rules beside it. Returns its path."""
    config = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": intervals.scrape, "evaluation_interval": intervals.evaluation}
    config["rule_files"] = [str(path) for path in _rules(folder, intervals)]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == JOB]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [exporter]
    return _written(folder / "prometheus.yml", config)


def alertmanager_config(folder: Path, pager: str, intervals: Intervals) -> Path:
    """Write the example's configuration with paths of the pager as receivers. Returns its path."""
    config = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route.update(group_wait=intervals.group_wait, group_interval=intervals.group_interval)
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{pager}/{receiver['name']}", "send_resolved": True}]
    return _written(folder / "alertmanager.yml", config)


def _rules(folder: Path, intervals: Intervals) -> list[Path]:
    texts = {file.name: file.read_text() for file in FILES}
    for old, new in intervals.rules.items():
        assert any(re.search(old, text, re.MULTILINE) for text in texts.values()), f"{old} is in no rule"
        texts = {name: re.sub(old, new, text, flags=re.MULTILINE) for name, text in texts.items()}
    return [_put(folder / f"rules-{name}", text) for name, text in texts.items()]


def _written(path: Path, config: Any) -> Path:
    return _put(path, yaml.safe_dump(config))


def _put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
