"""How large a soak is, and its configurations: accounts that come, go and change."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.moving_world import KINDS
from tests.support.soak.stores import Store
from tests.support.soak.worlds import TOKEN, is_late, is_packagex

_CHANGES: Sequence[Mapping[str, Any]] = (
    {},
    {"page_size": 10},
    {"stuck_after": "2h"},
    {"lookback": "6d"},
    {"max_concurrent_requests": 1},
)
"""What may be different in the configuration of an account."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a soak is, and how large. Times are in seconds."""

    seconds: float
    """The time with faults. It takes longer until all is settled."""
    accounts: int
    poll_interval: float
    scrape_interval: float
    round: float
    """After so long faults end, and all is compared with the worlds."""
    records: int
    """Of each account at first."""
    patience: float
    """For so long it may take until all is right after faults have ended."""
    workers: int
    """How many requests of the program may be under way."""
    lease_ttl: float
    """For so long the accounts of a process that was killed have no owner, where the state is in a database."""

    @property
    def later(self) -> int:
        """How many accounts come later."""
        return max(1, self.accounts // 10)

    def names(self) -> list[str]:
        """Return the names of the accounts, a fourth of them of PackageX; the last ones come later."""
        return [f"{'px' if number % 4 == 3 else 'inkit'}-{number}" for number in range(self.accounts + self.later)]

    def common(self, store: Store) -> dict[str, Any]:
        """Return what all configurations have."""
        lease = {"lease_ttl": f"{self.lease_ttl:g}s"} if "url" in store.settings else {}
        return {
            "poll_interval": f"{self.poll_interval * 1000:.0f}ms",
            "reconcile_interval": f"{2 * self.poll_interval:.0f}s",
            "request_timeout": f"{max(2.0, self.poll_interval / 2):.0f}s",
            "page_size": 25,
            "limits": {"max_workers": self.workers},
            "state": {**store.settings, **lease},
        }


class Configurations:
    """Makes configurations for one state and the APIs of a soak."""

    def __init__(
        self, rng: random.Random, names: Sequence[str], later: int, url: str, common: Mapping[str, Any]
    ) -> None:
        """`names` are those of all accounts, of which the last ones come later; `common` is in all configurations."""
        self.known = list(names[: len(names) - later])
        """The accounts that have been configured."""
        self._later = list(names[len(names) - later :])
        self._random = rng
        self._url = url
        self._common = common
        self._changed: dict[str, Mapping[str, Any]] = {}
        """What is different for an account."""

    def all(self) -> dict[str, Any]:
        """Return the configuration with all accounts that are known, as they are now."""
        return self._of(self.known)

    def another(self) -> dict[str, Any]:
        """Remove some accounts, change others, bring back the rest, and now and then add one that is new."""
        if self._later and self._random.random() < 0.5:
            self.known.append(self._later.pop())
        some = max(1, len(self.known) // 5)
        for name in self._random.sample(self.known, some):
            elsewhere = {"base_url": f"{self._url.replace('127.0.0.1', 'localhost')}/{name}"}
            self._changed[name] = self._random.choice([*_CHANGES, {} if is_late(name) else elsewhere])
        absent = set(self._random.sample(self.known, self._random.randint(0, some)))
        return self._of([name for name in self.known if name not in absent])

    def _of(self, names: Sequence[str]) -> dict[str, Any]:
        return {**self._common, "accounts": [self._account(name) for name in names]}

    def _account(self, name: str) -> dict[str, Any]:
        system = "packagex" if is_packagex(name) else "inkit"
        return {
            "name": name,
            "system": system,
            "base_url": f"{self._url}/{name}",
            "api_token": TOKEN,
            "collectors": collectors(name),
            "max_requests_per_second": 100,
            **self._changed.get(name, {}),
        }


def collectors(name: str) -> list[str]:
    """Return the collectors of an account."""
    return ["batches"] if is_packagex(name) else list(KINDS)
