"""Read a web configuration file, and find all errors in it. Certificates: tls.py."""

import stat
from pathlib import Path

from exporter.config import ConfigError, Problem
from exporter.config.source import files, messages, yaml_document
from exporter.config.source.partial import Draft
from exporter.config.source.problems import Place, located
from exporter.web.config import go, schema, validate
from exporter.web.config.model import Pem, RateLimit, TlsServer, WebConfig
from exporter.web.config.warnings import warnings

_LARGEST_FILE_BYTES = 1024 * 1024


def read(path: Path) -> bytes:
    """Return the file's content. Raises ConfigError."""
    try:
        return regular(path)
    except files.Unreadable as error:
        message = f"{error}; --web.config.file names the web configuration"
        raise ConfigError([Problem(str(path), None, "", message)]) from None


def regular(path: Path) -> bytes:
    """Return the content of a file, which must not be a pipe or the like. Raises files.Unreadable."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        mode = stat.S_IFREG  # Reading it will name the error.
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise files.Unreadable("it is not a regular file, but it is read repeatedly")
    return files.read(path, _LARGEST_FILE_BYTES)


def parse(path: Path, content: bytes) -> WebConfig:
    """Return the configuration in a file's content. Raises ConfigError."""
    file = str(path)
    try:
        document = yaml_document.parse(content, _is_text)
    except yaml_document.Empty:
        return WebConfig()
    except yaml_document.NotYaml as error:
        raise ConfigError([Problem(file, error.line, "", str(error))]) from None
    if document.data is None:
        return WebConfig()
    if not isinstance(document.data, dict):
        message = "must be a mapping, such as tls_server_config: {...}"
        raise ConfigError([Problem(file, document.lines.get(()), "", message)])
    shaped, draft, found = messages.validate(schema.File, document)
    found += validate.findings(draft)
    if shaped is None or found:
        raise ConfigError(located(found, file, document.lines))
    return _web_config(shaped, draft, path)


def _is_text(place: Place) -> bool:
    return place not in schema.NOT_TEXT


def _web_config(read: schema.File, draft: Draft, path: Path) -> WebConfig:
    http = read.http_server_config or schema.Http()
    users = {user: hashed.get_secret_value() for user, hashed in (read.basic_auth_users or {}).items() if hashed}
    return WebConfig(
        _tls(read.tls_server_config, draft, path) if read.tls_server_config and validate.is_on(draft) else None,
        {name: value for name, value in (http.headers or {}).items() if value},
        users,
        _rate_limit(read.rate_limit or schema.RateLimit()),
        tuple(located(warnings(draft), str(path), draft.lines)),
    )


def _rate_limit(read: schema.RateLimit) -> RateLimit | None:
    seconds = go.duration(read.interval or "0")
    return RateLimit(seconds, read.burst or 0) if seconds else None


def _tls(read: schema.Tls, draft: Draft, path: Path) -> TlsServer:
    least = go.VERSIONS.get(read.min_version or "", go.VERSIONS["TLS12"])
    ciphers = tuple(go.CIPHERS[name] for name in read.cipher_suites or () if name in go.CIPHERS)
    if read.cipher_suites and not ciphers:
        least = go.VERSIONS["TLS13"]
    has_ca = read.client_ca_file or read.client_ca
    return TlsServer(
        certificate=_pem("cert_file", "cert", draft, path),
        key=_pem("key_file", "key", draft, path),
        client_ca=_pem("client_ca_file", "client_ca", draft, path) if has_ca else None,
        client_certificates=go.CLIENT_CERTIFICATES[read.client_auth_type or go.NO_CLIENT_CERTIFICATE],
        allowed_sans=None if read.client_allowed_sans is None else frozenset(read.client_allowed_sans),
        min_version=least,
        max_version=go.VERSIONS[read.max_version or "TLS13"],
        ciphers=ciphers,
        prefer_own_ciphers=read.prefer_server_cipher_suites is not False,
        curve=go.CURVES.get(go.offered(read.curve_preferences or ()) or ""),
    )


def _pem(file_key: str, inline_key: str, draft: Draft, path: Path) -> Pem:
    """Return the value of one of two keys. The file's takes precedence."""
    named = draft.text(validate.TLS, file_key)
    key = file_key if named else inline_key
    at = Problem(str(path), draft.lines.get((validate.TLS, key)), f"{validate.TLS}.{key}", "")
    return Pem(path.parent / named if named else draft.text(validate.TLS, inline_key) or "", at)
