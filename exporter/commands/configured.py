"""The configuration that a command line means: its file, or the environment where there is none."""

import argparse
import os

from exporter.config import Config, from_environment, load
from exporter.sources import sources
from exporter.systems import System


def systems() -> dict[str, System]:
    """The systems there are, by name."""
    return {name: source.system for name, source in sources().items()}


def configuration(given: argparse.Namespace) -> Config:
    """Raises ConfigError."""
    if given.config_file is None:
        return from_environment(systems(), os.environ)
    return load(given.config_file, systems(), os.environ)
