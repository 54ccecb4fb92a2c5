"""Load, validate and describe the configuration. Systems are passed in by the caller."""

from exporter.config.bounds import Bounds
from exporter.config.database import DatabaseUrl
from exporter.config.json_schema import json_schema
from exporter.config.load import from_environment, load
from exporter.config.model import Account, Config, Database, Polling
from exporter.config.source.problems import ConfigError, Problem
from exporter.config.token import Token, TokenError
from exporter.config.webhook import WebhookSecret

__all__ = [
    "Account",
    "Bounds",
    "Config",
    "ConfigError",
    "Database",
    "DatabaseUrl",
    "Polling",
    "Problem",
    "Token",
    "TokenError",
    "WebhookSecret",
    "from_environment",
    "json_schema",
    "load",
]
