"""The web configuration as its files have it now. When they are read, and what is served, is not here."""

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

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_Certificates = tuple[TlsServer, tls.Material]


class Current:
    """Follows a web configuration file and the certificates that it names.

    As in the exporter-toolkit, what they hold counts from the next request or connection on. Reading them again costs
    some microseconds; only what has changed is parsed. To be used by one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError, for the file and for what it names."""
        content = read(path)
        self.path = path
        self._first = parse(path, content)
        self._config: _Followed[bytes, WebConfig] = _Followed(
            content, self._parsed, "the web configuration can't be used: requests are answered with 500"
        )
        self._told: WebConfig | None = None
        settings = self._first.tls
        self._certificates: _Followed[_Certificates, ssl.SSLContext] | None = None
        if settings is not None:
            self._certificates = _Followed(
                (settings, tls.material(settings)),
                lambda given: tls.context(*given),
                "the certificates can't be used: those before stay in use",
            )

    @property
    def config(self) -> WebConfig:
        """The last configuration that could be used, without a look at the file."""
        return self._config.made

    @property
    def made_context(self) -> ssl.SSLContext | None:
        """The last context that could be made, without a look at the files; None for plain HTTP."""
        return None if self._certificates is None else self._certificates.made

    def now(self) -> WebConfig | None:
        """The configuration as the file is now; None if it can't be used, which is logged once."""
        if not self._config.follow(lambda: read(self.path)):
            return None
        self.tell()
        return self.config

    def tell(self) -> None:
        """Log what can't be had of what the configuration asks for, once."""
        if self._told is not self.config:
            self._told = self.config
            for warning in self.config.warnings:
                log.warning("the web configuration can't be followed in everything", extra={"warning": str(warning)})

    def context(self) -> ssl.SSLContext | None:
        """For a new connection; None for plain HTTP. Of files that can't be used the last good ones count."""
        self.now()
        settings = self.config.tls
        if self._certificates is not None and settings is not None:
            self._certificates.follow(lambda: (settings, tls.material(settings)))
        return self.made_context

    def _parsed(self, content: bytes) -> WebConfig:
        new = parse(self.path, content)
        if new == WebConfig() and new != self._first:
            # A file that is being written anew is empty for a moment. That must not let everybody in.
            raise self._refusal("", "there is nothing in the file any more; if that is meant, restart the exporter")
        if (new.tls is None) != (self._first.tls is None):
            raise self._refusal(TLS, "TLS can't be switched on or off while the exporter runs; restart it")
        return new

    def _refusal(self, path: str, message: str) -> ConfigError:
        return ConfigError([Problem(str(self.path), None, path, message)])


class _Followed(Generic[_Given, _Made]):
    """What was last made of something that changes. Where that can't be used, what was made before is kept."""

    def __init__(self, given: _Given, make: Callable[[_Given], _Made], complaint: str) -> None:
        """Raises ConfigError."""
        self.made = make(given)
        self._given = given
        self._make = make
        self._complaint = complaint
        self._refused: ConfigError | None = None
        self._said: str | None = None

    def follow(self, look: Callable[[], _Given]) -> bool:
        """Look again. False if what is there now can't be used; each reason is logged once."""
        error = self._attempt(look)
        text = None if error is None else str(error)
        if text != self._said:
            self._said = text
            if text is None:
                log.info("the files of the web configuration can be used again")
            else:
                log.error(self._complaint, extra={"error": text})
        return error is None

    def _attempt(self, look: Callable[[], _Given]) -> ConfigError | None:
        try:
            given = look()
        except ConfigError as error:
            return error
        if given != self._given:
            self._given = given
            try:
                self.made, self._refused = self._make(given), None
            except ConfigError as error:
                self._refused = error
        return self._refused
