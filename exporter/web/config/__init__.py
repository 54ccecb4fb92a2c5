"""The web configuration file, in the format of Prometheus's exporter-toolkit."""

from exporter.web.config.model import RateLimit, TlsServer, WebConfig
from exporter.web.config.reader import BackgroundReader
from exporter.web.config.watch import WebConfigFile

__all__ = ["BackgroundReader", "RateLimit", "TlsServer", "WebConfig", "WebConfigFile"]
