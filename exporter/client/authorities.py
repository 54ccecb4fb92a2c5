"""Find the certificate authorities that the system trusts."""

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from exporter.model.record import FetchError, Reason

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Files of Linux distributions, for a Python whose OpenSSL was built to look elsewhere."""


def system_bundle(openssl: ssl.DefaultVerifyPaths | None = None, bundles: Iterable[str] = BUNDLES) -> str | None:
    """Return the file of the system's authorities; None where OpenSSL finds them by itself.

    `openssl` names the paths where OpenSSL looks, `bundles` the files to try if these hold nothing. SSL_CERT_FILE and
    SSL_CERT_DIR change OpenSSL's paths, and then no bundle is tried. Raises FetchError if there are no authorities.
    """
    paths = openssl or ssl.get_default_verify_paths()
    if _holds_any(paths.cafile) or _holds_any(paths.capath):
        return None
    overridden = paths.openssl_cafile_env in os.environ or paths.openssl_capath_env in os.environ
    bundle = None if overridden else next((file for file in bundles if Path(file).is_file()), None)
    if bundle is None:
        raise FetchError(
            Reason.TLS,
            "this system has no certificate authorities: install them (ca-certificates), set SSL_CERT_FILE, "
            "or name a file in tls_config.ca_file",
        )
    return bundle


def _holds_any(path: str | None) -> bool:
    """Return whether the file or folder has content."""
    try:
        return path is not None and (
            any(Path(path).iterdir()) if Path(path).is_dir() else Path(path).stat().st_size > 0
        )
    except OSError:
        return False
