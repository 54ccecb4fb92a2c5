"""The configurations that a command line means: their files, or the environment where there is none."""

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
    """The systems there are, by name."""
    return {name: source.system for name, source in sources().items()}


def configuration(given: argparse.Namespace) -> Config:
    """Read the configuration, to use it. Raises ConfigError."""
    if given.config_file is None:
        return from_environment(systems(), os.environ)
    return load(given.config_file, systems(), os.environ)


def judged(given: argparse.Namespace) -> Config:
    """Read the configuration and look at its state file, to say what is wrong with them. Raises ConfigError."""
    if given.config_file is None:
        return from_environment(systems(), os.environ, state.problem)
    # In a unit's own commands systemd sets it, and the credentials are there.
    before_start = "CREDENTIALS_DIRECTORY" not in os.environ
    return load(given.config_file, systems(), os.environ, state.problem, before_start)


def logged(config: Config) -> Config:
    """Log the configuration's warnings, and return it."""
    for warning in config.warnings:
        log.warning("configuration warning", extra={"warning": str(warning)})
    return config


def web_configuration(given: argparse.Namespace) -> WebConfigFile | None:
    """None for plain HTTP and no password. Raises ConfigError."""
    return None if given.web_config_file is None else WebConfigFile(given.web_config_file)
