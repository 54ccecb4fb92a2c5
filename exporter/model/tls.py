"""TLS settings for an API."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """TLS settings for an API. The files are PEM."""

    ca_file: Path | None = None
    """Certificate authorities to trust instead of the system's."""
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    """The name to expect in the certificate, where it is not the host's."""
    insecure_skip_verify: bool = False
