"""The keys of a web configuration file and their types. Rules between keys, and what a value means, are not here.

The format is the exporter-toolkit's, docs/web-configuration.md there; every key of it is here. A key whose value is
null is the same as one that is left out.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, Strict

Texts = Annotated[tuple[str, ...], Strict(False)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Tls(_Shape):
    """TLS, and who may connect."""

    cert: str | None = None
    key: SecretStr | None = None
    client_ca: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None
    client_auth_type: str | None = None
    client_allowed_sans: Texts | None = None
    min_version: str | None = None
    max_version: str | None = None
    cipher_suites: Texts | None = None
    prefer_server_cipher_suites: bool | None = None
    curve_preferences: Texts | None = None


class Http(_Shape):
    """What every answer carries."""

    http2: bool | None = None
    headers: dict[str, str | None] | None = None


class RateLimit(_Shape):
    """How many requests are answered, of all clients together."""

    interval: str | None = None
    burst: Annotated[int, Field(ge=0)] | None = None


class File(_Shape):
    """A web configuration file."""

    tls_server_config: Tls | None = None
    http_server_config: Http | None = None
    basic_auth_users: dict[str, SecretStr | None] | None = None
    rate_limit: RateLimit | None = None


NOT_TEXT = (
    ("http_server_config", "http2"),
    ("tls_server_config", "prefer_server_cipher_suites"),
    ("rate_limit", "burst"),
)
"""Where a value is not text. Elsewhere what YAML sees as a number or a date is text as it is written, as in the
toolkit: `X-XSS-Protection: 1`."""
