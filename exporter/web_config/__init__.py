"""The web configuration file, in the format of Prometheus's exporter-toolkit. Nothing is served here."""

from exporter.web_config.current import Current
from exporter.web_config.model import RateLimit, TlsServer, WebConfig

__all__ = ["Current", "RateLimit", "TlsServer", "WebConfig"]
