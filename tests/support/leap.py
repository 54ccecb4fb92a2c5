"""A clock of deadlines that leaps, so that a test of much time needs little, however busy the machine is."""

import time

import pytest


class Leap:
    """Stands for the module `time` where deadlines are made and looked at."""

    sleep = staticmethod(time.sleep)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand for it from now on."""
        self.ahead = 0.0
        for module in ("deadline", "transport"):
            monkeypatch.setattr(f"exporter.client.{module}.time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead
