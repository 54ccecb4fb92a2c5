"""Make OpenSSL's context for a server from certificates, keys and settings."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from exporter.config import ConfigError, Problem
from exporter.config.source import files
from exporter.web.config.load import regular
from exporter.web.config.model import Pem, TlsServer


@dataclass(frozen=True, slots=True)
class Material:
    """The contents of the files, in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


def material(tls: TlsServer) -> Material:
    """Read the files. Raises ConfigError with all that can't be read."""
    problems: list[Problem] = []

    def read(pem: Pem) -> bytes:
        try:
            return regular(pem.source) if isinstance(pem.source, Path) else pem.source.encode()
        except files.Unreadable as error:
            problems.append(replace(pem.at, message=str(error)))
            return b""

    content = Material(read(tls.certificate), read(tls.key), None if tls.client_ca is None else read(tls.client_ca))
    if problems:
        raise ConfigError(problems)
    return content


def context(tls: TlsServer, content: Material) -> ssl.SSLContext:
    """Return a context for new connections. Raises ConfigError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = tls.min_version
    made.maximum_version = tls.max_version
    # By renegotiation a client could make the server compute for nothing (CVE-2011-1473). Go has none either.
    made.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_own_ciphers:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_alpn_protocols(["http/1.1"])
    _choose_ciphers(made, tls)
    if tls.curve is not None:
        made.set_ecdh_curve(tls.curve)
    _load_certificate(made, tls, content)
    _load_client_ca(made, tls, content)
    return made


def _choose_ciphers(made: ssl.SSLContext, tls: TlsServer) -> None:
    if not tls.ciphers:
        return
    with contextlib.suppress(ssl.SSLError):
        made.set_ciphers(":".join(tls.ciphers))
    # OpenSSL ignores names that it doesn't have.
    missing = set(tls.ciphers) - {cipher["name"] for cipher in made.get_ciphers()}
    if missing:
        message = f"this machine's OpenSSL has no {', '.join(sorted(missing))}"
        raise ConfigError(
            [replace(tls.certificate.at, line=None, path="tls_server_config.cipher_suites", message=message)]
        )


def _load_certificate(made: ssl.SSLContext, tls: TlsServer, content: Material) -> None:
    encrypted = []

    def password() -> str:
        encrypted.append(True)
        return ""

    try:
        with _file(content.certificate) as certificate, _file(content.key) as key:
            made.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        problem = _certificate_problem(tls, content, error, encrypted=bool(encrypted))
        raise ConfigError([problem]) from None


def _certificate_problem(tls: TlsServer, content: Material, error: ssl.SSLError, *, encrypted: bool) -> Problem:
    certificate, key = tls.certificate.at, tls.key.at
    if b"-----BEGIN CERTIFICATE-----" not in content.certificate:
        return replace(certificate, message="has no certificate in PEM")
    if encrypted:
        return replace(key, message="the key is encrypted, and nobody could be asked for its password: decrypt it")
    if b"PRIVATE KEY-----" not in content.key:
        return replace(key, message="has no private key in PEM")
    if error.reason == "KEY_VALUES_MISMATCH":
        return replace(key, message="is not the key of the certificate")
    reason = (error.reason or "it is damaged").replace("_", " ").lower()
    return replace(certificate, message=f"can't be used with its key: {reason}")


def _load_client_ca(made: ssl.SSLContext, tls: TlsServer, content: Material) -> None:
    made.verify_mode = tls.client_certificates
    if tls.client_ca is None or content.client_ca is None:
        if tls.client_certificates is not ssl.CERT_NONE:
            made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        # Comments between the certificates may be in any language.
        made.load_verify_locations(cadata=content.client_ca.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise ConfigError([replace(tls.client_ca.at, message="has no certificate in PEM")]) from None


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Yield the path of a file in memory: OpenSSL takes certificates and keys from files only."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
