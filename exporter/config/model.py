"""The configuration as the rest of the program uses it: complete, validated, with paths resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from exporter.config.bounds import Bounds, ConfiguredLimits, derive
from exporter.config.database import DatabaseUrl
from exporter.config.resources import PLENTY
from exporter.config.source.problems import Problem
from exporter.config.token import Token
from exporter.config.webhook import WebhookSecret
from exporter.model.tls import TLSConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How a collector is polled. Durations are in seconds."""

    poll_interval: float
    lookback: float
    reconcile_interval: float
    in_flight_max_age: float
    stale_after: float
    stuck_after: float
    """Age at which an unfinished record counts as stuck."""
    page_size: int
    duration_buckets: tuple[float, ...] | None
    """The upper bounds of the buckets of histograms of durations; None: those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Polling):
    """One account of a system, its settings merged with those of the top level. Durations are in seconds."""

    name: str
    system: str
    token: Token
    base_url: str
    """Without a slash at its end."""
    collectors: tuple[str, ...]
    per_collector: Mapping[str, Polling]
    """How those collectors are polled that differ from the account, by their names."""
    filters: Mapping[str, str]
    workflow_batch_ids: tuple[str, ...]
    workflow_label: bool
    proxy_url: SecretStr | None
    tls_config: TLSConfig
    request_timeout: float
    max_requests_per_second: float
    max_concurrent_requests: int
    webhook: WebhookSecret | None = None
    """The secret of the webhooks that let it be polled; None: none are received."""
    created_timestamps: bool = False
    """Whether scrapes expose start timestamps of counters. Then new series do not wait for a scrape at 0."""

    def polling(self, collector: str) -> Polling:
        """Return how one of its collectors is polled."""
        return self.per_collector.get(collector, self)


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database that holds the state, for one or several replicas."""

    url: DatabaseUrl
    pool_size: int
    lease_ttl: float
    """Seconds for which a replica owns its accounts after it was last heard of."""
    prepared_statements: bool


@dataclass(frozen=True, slots=True)
class Config:
    """A complete configuration."""

    accounts: tuple[Account, ...]
    state_path: Path | None
    """The state file; None keeps the state in memory, unless there is a database."""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    """What the operator should change in a valid configuration."""
    database: Database | None = None
    """The database that holds the state instead of a file."""
    limits: ConfiguredLimits = field(default_factory=ConfiguredLimits)
    bounds: Bounds = field(default_factory=lambda: derive(PLENTY, ConfiguredLimits()), compare=False)
    """What follows from the limits and from what the process may use."""
