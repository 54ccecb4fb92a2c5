"""API clients for commands that do not poll: their requests appear in no metric."""

import threading
from dataclasses import dataclass

from exporter.client import Client, RequestMeter, ThreadRunner
from exporter.config import Account
from exporter.polling.build import client
from exporter.systems import sources


@dataclass(frozen=True, slots=True)
class NoRequestMeter:
    """Counts nothing."""

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        pass

    def throttled(self, seconds: float) -> None:
        pass

    def rate_limit(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        pass


def api_client(account: Account, meter: RequestMeter | None = None) -> Client:
    """Return a client for the account, with its rate limit, proxy and TLS settings. By default, nothing is counted."""
    return client(account, sources()[account.system], meter or NoRequestMeter(), ThreadRunner(threading.Event().wait))
