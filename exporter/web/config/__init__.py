"""The web configuration file, in the format of Prometheus's exporter-toolkit. Nothing is served here."""

from exporter.web.config.model import RateLimit, TlsServer, WebConfig
from exporter.web.config.reader import BackgroundReader
from exporter.web.config.watch import Current

__all__ = ["BackgroundReader", "Current", "RateLimit", "TlsServer", "WebConfig"]
