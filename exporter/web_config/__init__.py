"""The web configuration file, in the format of Prometheus's exporter-toolkit. Nothing is served here."""

from exporter.web_config.current import Current
from exporter.web_config.model import RateLimit, TlsServer, WebConfig
from exporter.web_config.reader import BackgroundReader

__all__ = ["BackgroundReader", "Current", "RateLimit", "TlsServer", "WebConfig"]
