"""The checked web configuration as frozen values, with OpenSSL's names."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config import Problem


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate or key in PEM: a file, or the text itself."""

    source: Path | str = field(repr=False)
    at: Problem
    """The place in the web configuration, as a problem without a message."""


@dataclass(frozen=True, slots=True)
class TlsServer:
    """The settings of TLS."""

    certificate: Pem
    key: Pem
    client_ca: Pem | None
    """The authorities that sign client certificates. None for the system's."""
    client_certificates: ssl.VerifyMode
    allowed_sans: frozenset[str] | None
    """The names of which a client's certificate must have one. None allows all."""
    min_version: ssl.TLSVersion
    max_version: ssl.TLSVersion
    ciphers: tuple[str, ...]
    """The cipher suites of TLS 1.2, in OpenSSL's names. Empty for its defaults."""
    prefer_own_ciphers: bool
    curve: str | None
    """The curve for key exchanges, in OpenSSL's names. None for its defaults."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The limit of the requests of all clients together."""

    interval: float
    """Seconds after which one more request is allowed."""
    burst: int
    """The maximum number of requests at once."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A whole web configuration."""

    tls: TlsServer | None = None
    """The TLS settings; None for plain HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every response, in place of its own of the same names."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bcrypt hash of each user's password. Empty lets everybody in."""
    rate_limit: RateLimit | None = None
    warnings: tuple[Problem, ...] = ()
    """Settings that are not supported or have no effect, in a file that can be used."""
