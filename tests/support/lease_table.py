"""Many simulated replicas on one simulated table of leases: processes that stop, die, join and leave, and outages.

Every step that takes time in the world takes time here: a heartbeat, a read, a claim and their answers are events of
their own, and others happen in between. The decisions are those of `exporter.replicas.leases`.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from random import Random

from exporter.model.replica_status import Change
from exporter.replicas.leases import TICK_SECONDS, Replica, changes
from exporter.replicas.values import Peer, Tick, Unowned

TTL = 20.0
DATABASE_AHEAD = 1_700_000_000.0
"""The database's clock is another one than any replica's."""


@dataclass
class Row:
    expires_at: float
    joined_at: float
    config: str
    config_since: float
    leaving: bool = False
    renewed_at: float = 0.0
    expired_before: float = 0.0
    """When it would have expired without the last heartbeat."""


@dataclass
class Lease:
    holder: str | None
    epoch: int
    since: float


@dataclass
class Table:
    """The tables of the database, with what the statements of a tick do to them."""

    leases: dict[str, Lease] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    moves: Counter[str] = field(default_factory=Counter)
    """How often each account got an owner."""

    def add(self, accounts: Collection[str], now: float) -> None:
        for account in accounts:
            self.leases.setdefault(account, Lease(None, 0, now))

    def heartbeat(self, holder: str, config: str, now: float, *, leaving: bool = False) -> None:
        since = min((row.config_since for row in self.live(now).values() if row.config == config), default=now)
        row = self.rows.setdefault(holder, Row(0.0, now, config, since))
        row.expired_before, row.renewed_at = row.expires_at, now
        row.expires_at, row.leaving = now + TTL, leaving
        if row.config != config:
            row.config, row.config_since = config, since

    def live(self, now: float) -> dict[str, Row]:
        return {holder: row for holder, row in self.rows.items() if row.expires_at > now}

    def read(self, holder: str, sent_at: float, now: float) -> Tick:
        live = self.live(now)
        peers = sorted((row.joined_at, name, row) for name, row in live.items() if not row.leaving)
        unowned = [
            Unowned(account, lease.holder, lease.since if lease.holder is None else self.rows[lease.holder].expires_at)
            for account, lease in self.leases.items()
            if lease.holder not in live
        ]
        mine = {account: lease.epoch for account, lease in self.leases.items() if lease.holder == holder}
        return Tick(sent_at, now, tuple(Peer(n, r.config, r.config_since) for _, n, r in peers), mine, tuple(unowned))

    def claim(
        self, holder: str, candidates: Collection[str], count: int, live: Collection[str], now: float
    ) -> list[str]:
        """Claim in an order of the holder's own; `live` are the replicas that the statement finds live."""
        free = [account for account in candidates if self.leases[account].holder not in live]
        taken = sorted(free, key=lambda account: Random(account + holder).random())[:count]
        for account in taken:
            self.leases[account] = Lease(holder, self.leases[account].epoch + 1, now)
            self.moves[account] += 1
        return taken

    def release(self, holder: str, accounts: Collection[str], now: float) -> None:
        for account in accounts:
            lease = self.leases[account]
            if lease.holder == holder:
                self.leases[account] = Lease(None, lease.epoch, now)

    def leave(self, holder: str, now: float) -> None:
        self.release(holder, list(self.leases), now)
        self.rows.pop(holder, None)

    def commits(self, holder: str, account: str, epoch: int) -> bool:
        lease = self.leases[account]
        return (lease.holder, lease.epoch) == (holder, epoch)


class Process:
    """One replica: its loop, what it polls, and its clock."""

    def __init__(self, world: "World", name: str, config: str) -> None:
        self.world = world
        self.name = name
        self.config = config
        self.replica = Replica(name, TTL, world.configs[config])
        self.running: dict[str, int] = {}
        self.alive = True
        self.paused_until = 0.0
        self._leaving = self._applying = False
        self._ahead = world.random.uniform(-3600.0, 3600.0)
        self._rate = world.random.uniform(0.9999, 1.0001)

    def ticks(self) -> float:
        return (self.world.now + self._ahead) * self._rate

    @property
    def healthy(self) -> bool:
        return self.alive and not self._leaving and self.world.now >= self.paused_until

    def exposed(self) -> Mapping[str, int]:
        """Return what a scrape sees; nothing while the process is stopped and answers no scrape."""
        if not self.alive or self.world.now < self.paused_until:
            return {}
        owned = self.replica.at_work(self.ticks())
        return {account: epoch for account, epoch in self.running.items() if owned.get(account) == epoch}

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Do something of this process; not before it goes on, if it is stopped."""

        def run() -> None:
            if not self.alive:
                return
            if self.world.now < self.paused_until:
                self.world.at(self.paused_until, run)
            else:
                function()

        self.world.at(self.world.now + seconds, run)

    def ask(
        self, statement: Callable[[float], object], then: Callable[[object], None], failed: Callable[[], None]
    ) -> None:
        """Have a statement arrive at the database, and its answer here; either may fail to."""
        world = self.world

        def arrive() -> None:
            if world.database_down():
                self.later(world.delay(), failed)
                return
            answer = statement(world.now + DATABASE_AHEAD)
            cut = world.database_down() or world.random.random() < world.cut
            self.later(world.delay(), failed if cut else lambda: then(answer))

        world.at(world.now + world.delay(), arrive)

    def tick(self) -> None:
        if self._leaving:
            return
        self.replica = self.replica.configure(self.world.configs[self.config])
        table, sent_at, config = self.world.table, self.ticks(), self.config
        next_tick = self.world.now + TICK_SECONDS

        def again() -> None:
            self.apply()
            self.later(max(0.0, next_tick - self.world.now), self.tick)

        def heartbeat(now: float) -> None:
            table.add(self.world.configs[config], now)
            table.heartbeat(self.name, config, now)

        def took(tick: object) -> None:
            assert isinstance(tick, Tick)
            self.world.changes += changes(self.replica, tick).values()
            self.replica = self.replica.after(tick)
            decision = self.replica.decide(self.ticks())
            self.replica = self.replica.give(decision.give)
            self.apply()
            if decision.claim == 0 or self._leaving:
                again()
                return
            self.world.claimed_with(self, config)
            self.ask(
                lambda now: self._claim([free.account for free in decision.candidates], decision.claim, now),
                claimed,
                again,
            )

        def claimed(leases: object) -> None:
            assert isinstance(leases, dict)
            self.replica = self.replica.claimed(leases)
            again()

        self.ask(heartbeat, lambda _: self.ask(lambda now: table.read(self.name, sent_at, now), took, again), again)

    def _claim(self, candidates: Collection[str], count: int, now: float) -> dict[str, int]:
        table = self.world.table
        taken = table.claim(self.name, candidates, count, table.live(now), now)
        return {account: table.leases[account].epoch for account in taken}

    def apply(self) -> None:
        """End and begin what is polled, and release what is given away."""
        if self._applying:
            return
        ending = self.replica.to_end(self.running, self.ticks())
        beginning = {} if self._leaving else self.replica.to_begin(self.running, self.ticks())
        releasing = self.replica.to_release(self.running)
        self._applying = bool(ending or beginning or releasing)
        if ending:
            self.later(self.world.delay(), lambda: self._ended(ending))
        elif releasing:
            self.ask(
                lambda now: self.world.table.release(self.name, list(releasing), now),
                lambda _: self._released(list(releasing)),
                self._idle,
            )
        elif beginning:
            self.later(self.world.delay(), lambda: self._begun(beginning))
        elif self._leaving:
            self.ask(lambda now: self.world.table.leave(self.name, now), lambda _: self.die(), self.die)

    def _idle(self) -> None:
        self._applying = False

    def _ended(self, accounts: Collection[str]) -> None:
        for account in accounts:
            del self.running[account]
        self._applying = False
        self.apply()

    def _begun(self, accounts: Mapping[str, int]) -> None:
        self.running.update(accounts)
        self.write_all()
        self._applying = False
        self.apply()

    def _released(self, accounts: Collection[str]) -> None:
        self.replica = self.replica.released(accounts, self.ticks())
        self._applying = False
        self.apply()

    def write(self, account: str) -> None:
        """Commit a page of an account that is polled, with its epoch."""
        epoch = self.running[account]

        def commit(_: float) -> bool:
            accepted = self.world.fence(self.world.table, self.name, account, epoch)
            if accepted:
                self.world.written(account, epoch)
            return accepted

        def answered(accepted: object) -> None:
            if not accepted:
                self.replica = self.replica.refused(account, self.ticks())
                self.apply()

        self.ask(commit, answered, lambda: None)

    def write_all(self) -> None:
        for account in self.running:
            self.write(account)

    def leave(self) -> None:
        if self._leaving or not self.alive:
            return
        self._leaving = True
        self.replica = self.replica.leave()
        flag = lambda now: self.world.table.heartbeat(self.name, self.config, now, leaving=True)  # noqa: E731
        # A tick that is under way has ended by then.
        self.later(1.0, lambda: self.ask(flag, lambda _: self.apply(), self.apply))

    def die(self) -> None:
        self.alive = False


class World:
    """Time, the database, and the processes; it looks at what is exposed after each event."""

    def __init__(self, random: Random, configs: Mapping[str, frozenset[str]], slowest: float = 0.3) -> None:
        self.random = random
        self.configs = configs
        self.now = 0.0
        self.table = Table()
        self.processes: list[Process] = []
        self.cut = 0.0
        """How probably the answer to a statement is lost."""
        self.changes: list[Change] = []
        self.violations: list[str] = []
        self.fence: Callable[[Table, str, str, int], bool] = Table.commits
        self._slowest = slowest
        self._down_until = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._newest: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._exposed_at: dict[str, float] = {}
        self._unhealthy_at = 0.0
        self._counting: str | None = None

    def _alive(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    def delay(self) -> float:
        return self.random.uniform(0.001, self._slowest)

    def at(self, moment: float, function: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), function))

    def database_down(self) -> bool:
        return self.now < self._down_until

    def start(self, config: str) -> Process:
        process = Process(self, f"replica-{len(self.processes)}", config)
        self.processes.append(process)
        process.tick()
        return process

    def pause(self, process: Process, seconds: float) -> None:
        process.paused_until = max(process.paused_until, self.now + seconds)
        self.at(process.paused_until, lambda: self._excuse(process))
        # What was under way goes on before the process learns how long it stood still.
        process.later(seconds, process.write_all)

    def kill(self, process: Process) -> None:
        process.die()
        self._excuse(process)

    def outage(self, seconds: float) -> None:
        self._down_until = max(self._down_until, self.now + seconds)

    def _excuse(self, process: Process) -> None:
        """Measure anew how long nobody exposes the accounts of a process that was stopped or killed."""
        for account, lease in self.table.leases.items():
            if lease.holder == process.name:
                self._exposed_at[account] = self.now

    def written(self, account: str, epoch: int) -> None:
        if epoch < self._written.get(account, 0):
            self.violations.append(f"{self.now:.2f}: {account} was written by an older owner")
        self._written[account] = max(epoch, self._written.get(account, 0))

    def claimed_with(self, process: Process, config: str) -> None:
        tick = process.replica.tick
        assert tick is not None
        newest = max(tick.live, key=lambda peer: (peer.config_since, peer.config)).config
        if config != newest:
            self.violations.append(f"{self.now:.2f}: {process.name} claims with a configuration that does not count")

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            due = self._events[0][0] if self._events else until
            self.now = min(due, until, self.now + 0.25)
            self.look()
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
                self.look()

    def look(self) -> None:
        """Note what is wrong with what scrapes would see now."""
        self._note_health()
        seen: dict[str, str] = {}
        for process in self._alive():
            for account, epoch in process.exposed().items():
                if account in seen:
                    self.violations.append(
                        f"{self.now:.2f}: {account} is exposed by {seen[account]} and {process.name}"
                    )
                if epoch < self._newest.get(account, 0):
                    self.violations.append(f"{self.now:.2f}: {account} is exposed by an older owner, {process.name}")
                seen[account] = process.name
                self._newest[account] = max(epoch, self._newest.get(account, 0))
                self._exposed_at[account] = self.now

    def _note_health(self) -> None:
        live = [row for row in self.table.live(self.now + DATABASE_AHEAD).values() if not row.leaving]
        newest = max(live, key=lambda row: (row.config_since, row.config)).config if live else None
        healthy = any(process.healthy and process.config == newest for process in self._alive())
        if self.database_down() or newest != self._counting or not healthy:
            self._counting, self._unhealthy_at = newest, self.now

    def longest_gap(self) -> float:
        """Return for how long a configured account is not exposed though a healthy replica could."""
        accounts = self.configs[self._counting] if self._counting else ()
        return max((self.now - max(self._exposed_at.get(a, 0.0), self._unhealthy_at) for a in accounts), default=0.0)
