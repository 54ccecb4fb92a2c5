"""Which accounts there are in each scenario, and the configuration that polls them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.accounts.api import Behavior
from benchmarks.world import KINDS, TOKEN

FAST = "fast"
"""The accounts whose polls are looked at; they are answered at once."""
_FAST_ACCOUNTS = 50
_LARGE_RECORD_BYTES = 100 * 1024
_SLOW_SECONDS = 25.0
_DESCRIPTORS = 1024
_HANGING_ACCOUNTS = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that are alike."""

    count: int
    behavior: Behavior = field(default_factory=Behavior)
    settings: Mapping[str, object] = field(default_factory=dict)
    """Keys of each account's configuration."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Groups of accounts, by the beginning of their names."""

    name: str
    groups: Mapping[str, Group]
    interval: float = 60.0
    """Seconds between two polls of a collector."""
    pauses: bool = False
    """Whether the exporter is paused once."""
    becomes_ready: bool = True
    descriptors: int | None = None
    """How many file descriptors the exporter may have."""

    @property
    def behaviors(self) -> Mapping[str, Behavior]:
        return {name: group.behavior for name, group in self.groups.items()}

    @property
    def observed(self) -> Sequence[str]:
        """The names of the accounts whose lateness counts."""
        group = FAST if FAST in self.groups else next(iter(self.groups))
        return [f"{group}-{number}" for number in range(self.groups[group].count)]

    def config(self, url: str, folder: Path) -> Mapping[str, object]:
        accounts = [
            {
                "name": f"{name}-{number}",
                "system": "inkit",
                "base_url": f"{url}/{name}-{number}",
                "api_token": TOKEN,
                "collectors": [*KINDS],
                **group.settings,
            }
            for name, group in self.groups.items()
            for number in range(group.count)
        ]
        return {
            "poll_interval": f"{self.interval:.0f}s",
            "state": {"path": str(folder / "state.db")},
            "accounts": accounts,
        }


def many(accounts: int, change: float, interval: float, pauses: bool) -> Scenario:
    """Return so many accounts alike; `change` is the share of polls that find a new record."""
    return Scenario(f"{accounts:,} accounts", {FAST: Group(accounts, Behavior(change=change))}, interval, pauses)


def fairness(change: float, fast: int = _FAST_ACCOUNTS, interval: float = 15.0) -> Sequence[Scenario]:
    """Return fast accounts alone and beside others that could delay them, and a hanging API with few descriptors."""
    quick = Group(fast, Behavior(change=change))
    large = Group(20, Behavior(padding=_LARGE_RECORD_BYTES), {"poll_interval": "60s"})
    return [
        Scenario(f"{fast} fast accounts alone", {FAST: quick}, interval),
        Scenario(
            f"{fast} fast accounts beside one whose answers take {_SLOW_SECONDS:.0f} s",
            {FAST: quick, "slow": Group(1, Behavior(latency=_SLOW_SECONDS))},
            interval,
            becomes_ready=False,
        ),
        Scenario(
            f"{fast} fast accounts beside ten that hang",
            {FAST: quick, "hanging": Group(10, Behavior(hangs=True))},
            interval,
            becomes_ready=False,
        ),
        Scenario(
            f"{fast} fast accounts beside 20 with records of 100 KiB",
            {FAST: quick, "large": large},
            interval,
            becomes_ready=False,
        ),
        Scenario(
            f"{_HANGING_ACCOUNTS} accounts that hang, {_DESCRIPTORS:,} file descriptors",
            {"hanging": Group(_HANGING_ACCOUNTS, Behavior(hangs=True))},
            becomes_ready=False,
            descriptors=_DESCRIPTORS,
        ),
    ]
