"""Follow the files of the web configuration as they change. When they are read: reader.py."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from exporter.config import ConfigError, Problem
from exporter.web.config import tls
from exporter.web.config.load import parse, read
from exporter.web.config.model import TlsServer, WebConfig
from exporter.web.config.validate import TLS

log = logging.getLogger(__name__)

_Source = TypeVar("_Source")
_Value = TypeVar("_Value")
_Certificates = tuple[TlsServer, tls.Material]


class WebConfigFile:
    """A web configuration file and the certificates that it names.

    As in the exporter-toolkit, changes apply from the next request or connection on. Reading the files again costs some
    microseconds, because only changes are parsed. Used by one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read the files. Raises ConfigError."""
        content = read(path)
        self.path = path
        self._first = parse(path, content)
        self._config: _Watched[bytes, WebConfig] = _Watched(
            content, self._parsed, "cannot use the web configuration: answering requests with 500"
        )
        self._logged: WebConfig | None = None
        settings = self._first.tls
        self._certificates: _Watched[_Certificates, ssl.SSLContext] | None = None
        if settings is not None:
            self._certificates = _Watched(
                (settings, tls.material(settings)),
                lambda given: tls.context(*given),
                "cannot use the certificates: keeping the previous ones",
            )

    @property
    def config(self) -> WebConfig:
        """The last usable configuration. The file is not read."""
        return self._config.value

    @property
    def last_context(self) -> ssl.SSLContext | None:
        """The context of the last usable certificates, None for plain HTTP. The files are not read."""
        return None if self._certificates is None else self._certificates.value

    def current(self) -> WebConfig | None:
        """Read the file, and return its configuration, or None if it can't be used, which is logged once."""
        if not self._config.update(lambda: read(self.path)):
            return None
        self.log_warnings()
        return self.config

    def log_warnings(self) -> None:
        """Log the configuration's warnings, once."""
        if self._logged is not self.config:
            self._logged = self.config
            for warning in self.config.warnings:
                log.warning("web configuration warning", extra={"warning": str(warning)})

    def current_context(self) -> ssl.SSLContext | None:
        """Read the files, and return the context of the last usable ones, None for plain HTTP."""
        self.current()
        settings = self.config.tls
        if self._certificates is not None and settings is not None:
            self._certificates.update(lambda: (settings, tls.material(settings)))
        return self.last_context

    def _parsed(self, content: bytes) -> WebConfig:
        new = parse(self.path, content)
        if new == WebConfig() and new != self._first:
            # A file that is being rewritten is empty for a moment. That must not let everybody in.
            raise self._error("", "the file is empty now; if that is intended, restart the exporter")
        if (new.tls is None) != (self._first.tls is None):
            raise self._error(TLS, "TLS can't be switched on or off while the exporter runs; restart it")
        return new

    def _error(self, path: str, message: str) -> ConfigError:
        return ConfigError([Problem(str(self.path), None, path, message)])


class _Watched(Generic[_Source, _Value]):
    """A value that is made from a source that changes. If the source can't be used, the last value is kept."""

    def __init__(self, source: _Source, make: Callable[[_Source], _Value], complaint: str) -> None:
        """Make the first value. `complaint` is logged for a source that can't be used. Raises ConfigError."""
        self.value = make(source)
        self._source = source
        self._make = make
        self._complaint = complaint
        self._error: ConfigError | None = None
        self._logged: str | None = None

    def update(self, read: Callable[[], _Source]) -> bool:
        """Read the source again. Return False if it can't be used. Each reason is logged once."""
        error = self._attempt(read)
        text = None if error is None else str(error)
        if text != self._logged:
            self._logged = text
            if text is None:
                log.info("the web configuration and its certificates are usable again")
            else:
                log.error(self._complaint, extra={"err": text})
        return error is None

    def _attempt(self, read: Callable[[], _Source]) -> ConfigError | None:
        try:
            source = read()
        except ConfigError as error:
            return error
        if source != self._source:
            self._source = source
            try:
                self.value, self._error = self._make(source), None
            except ConfigError as error:
                self._error = error
        return self._error
