"""Decide which accounts a replica owns, claims and gives away. Pure.

Moments are seconds of a clock of this machine that only goes forward (`ticks`), but for those of the database, which
are epoch seconds by the database's own clock. The two are never compared, and a replica's wall clock has no effect.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from exporter.model.replica_status import Change, Phase
from exporter.replicas.values import Decision, Peer, Tick, Unowned

TICK_SECONDS = 1.0
"""Time from the start of a tick to the start of the next."""
DEFAULT_TTL = 20.0
"""How long a replica counts as live after its last heartbeat."""
JOINING_SECONDS = 2.0
"""How long a replica claims nothing after its first tick: others that start at the same time are seen by then."""
SAFETY_SECONDS = 5.0
"""How long before its leases may expire a replica goes silent."""
SHORT_TTL = 10.0
"""With a shorter time to live, a replica goes silent after half of it."""
CALM_SECONDS = 6.0
"""How long the set of live replicas must be unchanged before leases are shed."""
UNOWNED_SECONDS = 6.0
"""How long an account is unowned before it may be claimed beyond the fair share."""
FORGET_SECONDS = 3600.0
"""How long the lease of an account is kept that no replica has in its configuration and nobody owns."""
FORGOTTEN_AT_ONCE = 1000
SHED_PART = 10
"""One part in so many of all accounts, and at least one account, is shed at most in a tick."""


def exposure_seconds(ttl: float) -> float:
    """Return for how long after its heartbeat was sent a replica may expose what it owns."""
    return ttl / 2 if ttl < SHORT_TTL else ttl - SAFETY_SECONDS


def share(accounts: int, replicas: int, rank: int) -> int:
    """Return how many accounts the replica of this rank, from 0, should own.

    A replica that joins comes last and lowers no share by more than it needs; one that leaves lowers none.
    """
    return accounts // replicas + (rank < accounts % replicas)


def current_config(live: Iterable[Peer]) -> str | None:
    """Return the configuration that counts: the one that was loaded last."""
    return max(((peer.config_since, peer.config) for peer in live), default=(0.0, None))[1]


@dataclass(frozen=True, slots=True)
class Replica:
    """What a replica knows of itself and of others, as of its last tick."""

    holder: str
    ttl: float
    configured: frozenset[str]
    tick: Tick | None = None
    joined_at: float = math.inf
    """When the first tick was sent since the start, or since the replica was silent."""
    live_since: float = math.inf
    """Since when the live replicas and their configurations are the same. Later, if one does not take its share."""
    withheld: Mapping[str, float] = field(default_factory=dict)
    """Accounts that are not owned, whatever the last tick read. Each returns with a tick sent after this moment that
    still finds the lease: math.inf while it is being given away."""
    giving: Mapping[str, Change] = field(default_factory=dict)
    """The withheld accounts whose leases are released once nothing polls them, with the reason."""
    leaving: bool = False

    @property
    def exposed_until(self) -> float:
        """The moment from which nothing may be exposed or polled, until another tick succeeds."""
        return -math.inf if self.tick is None else self.tick.sent_at + exposure_seconds(self.ttl)

    def phase(self, now: float) -> Phase:
        """Return what the replica may do at this moment."""
        if self.leaving:
            return Phase.LEAVING
        if self.tick is None:
            return Phase.JOINING
        if now >= self.exposed_until:
            return Phase.SILENT
        if now < self.joined_at + JOINING_SECONDS:
            return Phase.JOINING
        return Phase.ACTIVE

    @property
    def owned(self) -> Mapping[str, int]:
        """The epochs of the accounts to poll and expose until `exposed_until`."""
        if self.tick is None or self.leaving:
            return {}
        if not self.withheld:
            return self.tick.leases
        return {account: epoch for account, epoch in self.tick.leases.items() if account not in self.withheld}

    def at_work(self, now: float) -> Mapping[str, int]:
        """Return the epochs of the accounts that may be polled and exposed at this moment."""
        return self.owned if now < self.exposed_until else {}

    def to_end(self, running: Mapping[str, int], now: float) -> list[str]:
        """Return which of the accounts that are polled, each with its epoch, must be ended."""
        wanted = self.at_work(now)
        return [] if running == wanted else [a for a, epoch in running.items() if wanted.get(a) != epoch]

    def to_begin(self, running: Mapping[str, int], now: float) -> Mapping[str, int]:
        """Return the accounts to begin, with their epochs, once all others were ended."""
        wanted = self.at_work(now)
        return {} if running == wanted else {a: epoch for a, epoch in wanted.items() if a not in running}

    def to_release(self, running: Collection[str]) -> Mapping[str, Change]:
        """Return the accounts whose leases can be released, because nothing polls them any more."""
        return {account: why for account, why in self.giving.items() if account not in running}

    @property
    def target(self) -> int:
        """How many accounts the replica should own; without the configuration that counts, as many as it has."""
        if self.tick is None:
            return 0
        voters = self._voters(self.tick)
        return share(len(self.configured), len(voters), voters.index(self.holder)) if voters else len(self.owned)

    @property
    def has_current_config(self) -> bool:
        """Whether the replica has the configuration that counts, as far as it knows."""
        return self.tick is None or bool(self._voters(self.tick))

    @property
    def unowned(self) -> Sequence[Unowned]:
        """The configured accounts that no live replica owns."""
        return [] if self.tick is None else [free for free in self.tick.unowned if free.account in self.configured]

    def after(self, tick: Tick) -> "Replica":
        """Take what a tick read. It replaces what was believed."""
        before = self.tick
        joined_at = self.joined_at if tick.sent_at < self.exposed_until else tick.sent_at
        same = joined_at == self.joined_at and before is not None and _constellation(before) == _constellation(tick)
        withheld = {account: until for account, until in self.withheld.items() if until >= tick.sent_at}
        return replace(
            self,
            tick=tick,
            joined_at=joined_at,
            live_since=self.live_since if same else tick.sent_at,
            withheld=withheld if len(withheld) < len(self.withheld) else self.withheld,
        )

    def decide(self, now: float) -> Decision:
        """Return what to claim and what to give away after the last tick."""
        tick = self.tick
        if tick is None or self.phase(now) in (Phase.SILENT, Phase.LEAVING):
            return Decision()
        # Without its settings this replica can't poll the account, even if its configuration is not the current one.
        removed = {account: Change.REMOVED for account in self.owned if account not in self.configured}
        if self.phase(now) is Phase.JOINING or not self._voters(tick):
            return Decision(give=removed)
        # An account whose write was refused comes back, and is no reason to claim another one.
        held = sum(account in self.configured and account not in self.giving for account in tick.leases)
        claim, candidates = self._claim(tick, self.target - held)
        shed = {} if removed else self._shed(tick, len(self.owned) - self.target)
        return Decision(claim, candidates, {**removed, **shed}, self._forgotten(tick))

    def claimed(self, leases: Mapping[str, int]) -> "Replica":
        """Add the leases that were claimed after the last tick.

        If they exceed the share, another replica did not take its own, and may be dead: nothing is shed to it before
        it has expired.
        """
        if self.tick is None:
            return self
        tick = replace(self.tick, leases={**self.tick.leases, **leases})
        beyond = leases and len(tick.leases) - len(self.giving) > self.target
        return replace(self, tick=tick, live_since=tick.sent_at + self.ttl if beyond else self.live_since)

    def give(self, accounts: Mapping[str, Change]) -> "Replica":
        """Own these accounts no longer. Their leases are released as soon as nothing polls them."""
        if not accounts:
            return self
        return replace(
            self,
            withheld={**self.withheld, **dict.fromkeys(accounts, math.inf)},
            giving={**self.giving, **accounts},
        )

    def released(self, accounts: Collection[str], now: float) -> "Replica":
        """Note that the leases of these accounts were released: a tick sent before may still have read them."""
        return replace(
            self,
            withheld={**self.withheld, **dict.fromkeys(accounts, now)},
            giving={account: why for account, why in self.giving.items() if account not in accounts},
        )

    def refused(self, account: str, now: float) -> "Replica":
        """Own an account no longer whose write was refused, until a tick sent after this moment finds its lease."""
        if account in self.giving:
            return self
        return replace(self, withheld={**self.withheld, account: now})

    def leave(self) -> "Replica":
        """Own nothing any more."""
        return replace(self, leaving=True)

    def configure(self, accounts: frozenset[str]) -> "Replica":
        """Own only accounts that are configured now."""
        return replace(self, configured=accounts)

    def _voters(self, tick: Tick) -> list[str]:
        """Return the holders with the configuration that counts, in order; none if this replica has another one."""
        config = current_config(tick.live)
        holders = [peer.holder for peer in tick.live if peer.config == config]
        return holders if self.holder in holders else []

    def _claim(self, tick: Tick, missing: int) -> tuple[int, tuple[Unowned, ...]]:
        """Return how many accounts to claim, and from which."""
        free = [each for each in self.unowned if each.account not in self.withheld]
        long = [each for each in free if tick.database_time - each.since >= UNOWNED_SECONDS]
        # At a start all may have been unowned for long, and each of those that start together claims its share.
        if tick.sent_at - self.joined_at >= UNOWNED_SECONDS and len(long) > max(missing, 0):
            return len(long), tuple(long)
        if missing <= 0 or not free:
            return 0, ()
        return min(missing, len(free)), tuple(free)

    def _forgotten(self, tick: Tick) -> tuple[str, ...]:
        """Return accounts whose leases nobody needs; of several replicas, the first one finds them.

        While configurations differ there are none: another replica may have the account in its own. One that starts
        later, or goes back to an older configuration, makes the leases that it misses.
        """
        if tick.live[0].holder != self.holder or len({peer.config for peer in tick.live}) > 1:
            return ()
        old = (
            free.account
            for free in tick.unowned
            if free.account not in self.configured and tick.database_time - free.since >= FORGET_SECONDS
        )
        return tuple(islice(old, FORGOTTEN_AT_ONCE))

    def _shed(self, tick: Tick, excess: int) -> Mapping[str, Change]:
        """Return what is given to replicas that have less than their share, if all is calm."""
        if excess <= 0 or self.unowned or self.giving or tick.sent_at - self.live_since < CALM_SECONDS:
            return {}
        most = max(1, len(self.configured) // SHED_PART)
        return dict.fromkeys(sorted(self.owned)[: min(excess, most)], Change.SHED)


def changes(before: Replica, tick: Tick) -> Mapping[str, Change]:
    """Return which leases came or went without an answer that said so: taken by others, or by a claim that was cut."""
    known = {} if before.tick is None else before.tick.leases
    came = {account: Change.CLAIMED for account, epoch in tick.leases.items() if known.get(account) != epoch}
    went = {account: Change.LOST for account, epoch in before.owned.items() if tick.leases.get(account) != epoch}
    return {**came, **went}


def _constellation(tick: Tick) -> set[tuple[str, str]]:
    return {(peer.holder, peer.config) for peer in tick.live}
