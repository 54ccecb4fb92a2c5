"""The web configuration as the server sees it: checked, with the names of OpenSSL. Reading it is not here."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config import Problem


@dataclass(frozen=True, slots=True)
class Pem:
    """Something in PEM: a file, or the text itself."""

    source: Path | str = field(repr=False)
    at: Problem
    """Where it stands, as a problem that has no message yet."""


@dataclass(frozen=True, slots=True)
class TlsServer:
    """How TLS is spoken with clients."""

    certificate: Pem
    key: Pem
    client_ca: Pem | None
    """Who may sign client certificates; None for the system's authorities."""
    client_certificates: ssl.VerifyMode
    allowed_sans: frozenset[str] | None
    """A client's certificate must be for one of these names; None allows all."""
    min_version: ssl.TLSVersion
    max_version: ssl.TLSVersion
    ciphers: tuple[str, ...]
    """For TLS 1.2, in OpenSSL's names; empty for its defaults."""
    prefer_own_ciphers: bool
    curve: str | None
    """The one curve for key exchanges, in OpenSSL's names; None for its defaults."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket for the requests of all clients together."""

    interval: float
    """Seconds in which a token comes back."""
    burst: int
    """Tokens that there are at most, and at first."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A whole web configuration."""

    tls: TlsServer | None = None
    """None for plain HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What every answer carries beside its own."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The bcrypt hash of each user's password; without users everybody may ask."""
    rate_limit: RateLimit | None = None
    warnings: tuple[Problem, ...] = ()
    """What can't be had here of what the file asks for, though the file can be used."""
