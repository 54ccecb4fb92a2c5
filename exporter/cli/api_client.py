"""Asking an account's API outside of polling: the requests are counted nowhere."""

import threading
from dataclasses import dataclass

from exporter.client import Client
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


def api_client(account: Account) -> Client:
    """A client for the account, with its pace, proxy and TLS."""
    return client(account, sources()[account.system], NoRequestMeter(), threading.Event().wait)
