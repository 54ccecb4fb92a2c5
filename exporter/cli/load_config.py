"""Load the configurations that a command line names, or the environment where it names none."""

import argparse
import logging
import os

from exporter import state
from exporter.config import Config, from_environment, load
from exporter.model.system import System
from exporter.systems import sources
from exporter.web.config import WebConfigFile

log = logging.getLogger(__name__)


def systems() -> dict[str, System]:
    """Return the supported systems by name."""
    return {name: source.system for name, source in sources().items()}


def configuration(args: argparse.Namespace) -> Config:
    """Load the configuration, to run with it. Raises ConfigError."""
    if args.config_file is None:
        return from_environment(systems(), os.environ)
    return load(args.config_file, systems(), os.environ)


def checked_configuration(args: argparse.Namespace) -> Config:
    """Load the configuration and inspect its state file, to report problems only. Raises ConfigError."""
    if args.config_file is None:
        return from_environment(systems(), os.environ, state.problem)
    # systemd sets this variable for a unit's own commands, and then the unit's credentials exist.
    before_start = "CREDENTIALS_DIRECTORY" not in os.environ
    return load(args.config_file, systems(), os.environ, state.problem, before_start)


def web_configuration(args: argparse.Namespace) -> WebConfigFile | None:
    """Load the web configuration; None means plain HTTP without passwords. Raises ConfigError."""
    return None if args.web_config_file is None else WebConfigFile(args.web_config_file)


def log_warnings(config: Config) -> Config:
    """Log the configuration's warnings, and return the configuration."""
    for warning in config.warnings:
        log.warning("configuration warning", extra={"warning": str(warning)})
    return config


def revision() -> str:
    """Return the commit that is running, which the container image sets in its environment; `unknown` elsewhere."""
    return os.environ.get("BATCH_EXPORTER_REVISION", "unknown")
