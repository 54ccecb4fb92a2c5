"""The keys of a web configuration file and their types. Rules: validate.py.

The format is the exporter-toolkit's, see its docs/web-configuration.md, with every key of it. A key whose value is null
is the same as one that is left out.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, Strict

Texts = Annotated[tuple[str, ...], Strict(False)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Tls(_Shape):
    """TLS and client certificates."""

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
    """HTTP versions and response headers."""

    http2: bool | None = None
    headers: dict[str, str | None] | None = None


class RateLimit(_Shape):
    """The limit of requests, for all clients together."""

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
"""The places whose value is not text. Elsewhere a number or a date of YAML is read as text, as in the toolkit:
`X-XSS-Protection: 1`."""
