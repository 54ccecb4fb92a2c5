"""Load the configurations that a command line names, or the environment where it names none."""

import argparse
import logging
import os

from exporter import state
from exporter.config import Bounds, Config, from_environment, load
from exporter.config.resources import available
from exporter.model.system import System
from exporter.state import postgres
from exporter.systems import sources
from exporter.web.config import WebConfigFile

log = logging.getLogger(__name__)


def systems() -> dict[str, System]:
    """Return the supported systems by name."""
    return {name: source.system for name, source in sources().items()}


def configuration(args: argparse.Namespace) -> Config:
    """Load the configuration, to run with it. Raises ConfigError."""
    if args.config_file is None:
        return from_environment(systems(), os.environ, resources=available())
    return load(args.config_file, systems(), os.environ, resources=available(), database=postgres.problem)


def checked_configuration(args: argparse.Namespace) -> Config:
    """Load the configuration and inspect its state file, to report problems only. Raises ConfigError."""
    if args.config_file is None:
        return from_environment(systems(), os.environ, state.problem, available())
    # systemd sets this variable for a unit's own commands, and then the unit's credentials exist.
    before_start = "CREDENTIALS_DIRECTORY" not in os.environ
    return load(args.config_file, systems(), os.environ, state.problem, before_start, available(), postgres.problem)


def web_configuration(args: argparse.Namespace) -> WebConfigFile | None:
    """Load the web configuration; None means plain HTTP without passwords. Raises ConfigError."""
    return None if args.web_config_file is None else WebConfigFile(args.web_config_file)


def log_warnings(config: Config) -> Config:
    """Log the configuration's warnings, and return the configuration."""
    for warning in config.warnings:
        log.warning("configuration warning", extra={"warning": str(warning)})
    return config


def log_limits(bounds: Bounds) -> None:
    """Log the bounds, and what the process may use."""
    extra = {"workers": bounds.workers, "answer_bytes": bounds.answer_bytes, "response_bytes": bounds.response_bytes}
    extra |= {"clients": bounds.clients, "idle_connections": bounds.idle_connections}
    has = bounds.resources
    log.info("limits", extra=extra | {"descriptors": has.descriptors, "memory": has.memory, "cpus": has.cpus})
