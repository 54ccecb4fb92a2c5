"""Share TLS contexts among the connections of all accounts: each would hold a megabyte of authorities of its own."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from exporter.client.authorities import system_bundle

_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What a connection asks of its context, as requests gives it to urllib3. Files are PEM."""

    cert_reqs: int | str | None
    authorities: str | None
    """A file or a folder; None for the system's."""
    cert_file: str | None
    key_file: str | None
    assert_hostname: str | bool | None

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is checked."""
        return self.cert_reqs in (ssl.CERT_REQUIRED, "CERT_REQUIRED")


_contexts: dict[TlsSettings, tuple[tuple[_Stamp, ...], ssl.SSLContext]] = {}
"""Contexts with the state of their files. Replaced one by one; at worst one is made twice."""


def context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for these settings. Files are read again when they have changed.

    Raises urllib3's SSLError for a file that can't be used, and FetchError if the system has no authorities.
    """
    authorities = settings.authorities
    if settings.verifies and authorities is None:
        authorities = system_bundle()
    paths = ssl.get_default_verify_paths()
    files = (authorities, settings.cert_file, settings.key_file, paths.cafile, paths.capath)
    stamps = tuple(_stamp(file) for file in files)
    known = _contexts.get(settings)
    if known is not None and known[0] == stamps:
        return known[1]
    made = _made(settings, authorities)
    _contexts[settings] = stamps, made
    return made


def _made(settings: TlsSettings, authorities: str | None) -> ssl.SSLContext:
    made: Any = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if settings.verifies else ssl.CERT_NONE)
    try:
        if authorities is not None:
            folder = Path(authorities).is_dir()
            made.load_verify_locations(None if folder else authorities, authorities if folder else None)
        elif settings.verifies:
            made.load_default_certs()
        if settings.cert_file is not None:
            # With an empty password an encrypted key is an error; without one OpenSSL would ask on the terminal.
            made.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as error:
        raise urllib3.exceptions.SSLError(error) from error
    context: ssl.SSLContext = made
    return context


def _stamp(file: str | None) -> _Stamp:
    try:
        found = None if file is None else Path(file).stat()
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
