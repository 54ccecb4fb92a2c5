"""Replicas at work: a real PostgreSQL, mock APIs whose records go on, processes of the program, and scrapes of all.

A trigger in the database keeps who got which account when, so that tests.support.handovers can judge the scrapes.
"""

import contextlib
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from exporter.demo.server import MockApi
from exporter.demo.world import World
from exporter.state.postgres.database import opened
from tests.support import counting, forked, postgres
from tests.support.handovers import LeaseChange, Scrape, Values, accounts_in, differences, terms, violations
from tests.support.moving_world import KINDS, Work, figures
from tests.support.patience import GENEROUS
from tests.support.ports import free_port
from tests.support.program import PATH
from tests.support.rig import TOKEN
from tests.support.tcp_proxy import TcpProxy

TTL = 8.0
SCRAPE_SECONDS = 0.5
_PATIENCE = 180.0
"""For what needs seconds on an idle machine. On a busy one, a program alone may take half a minute to start."""
_LOOK_SECONDS = 0.2
_HISTORY = """
CREATE TABLE lease_history (at timestamptz NOT NULL, account text, epoch bigint, holder text);
CREATE FUNCTION note_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO lease_history VALUES (clock_timestamp(), NEW.account, NEW.epoch, NEW.holder);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION note_lease();
"""
_OTHER_CLOCK = """
import time
right, right_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: right() + {ahead}, lambda: right_ns() + int({ahead} * 1e9)
from exporter.__main__ import main
main()
"""


class Replica:
    """One process of the program. It is started once; a restart is another replica."""

    def __init__(
        self, name: str, folder: Path, config: Mapping[str, Any], ahead: float = 0.0, flags: Sequence[str] = ()
    ) -> None:
        """Start it, with more flags. Its clock is so many seconds ahead of the machine's."""
        self.name = name
        self.port = free_port()
        self.config = folder / f"{name}.json"
        self.settings = config
        self.config.write_text(json.dumps(config))
        self.log = folder / f"{name}.log"
        self.proxy: TcpProxy | None = None
        self.stopped = False
        self.stops: list[list[float]] = []
        """When it was stopped, and when it went on."""
        self.last: Scrape | None = None
        arguments = [f"--web.listen-address=127.0.0.1:{self.port}", f"--config.file={self.config}", *flags]
        with self.log.open("w") as log:
            self.process: forked.Running | subprocess.Popen[bytes] = (
                subprocess.Popen(
                    [sys.executable, "-c", _OTHER_CLOCK.format(ahead=ahead), *arguments],
                    env=PATH,
                    stdout=log,
                    stderr=log,
                )
                if ahead
                else forked.Running(arguments, self.log, PATH)
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def holder(self) -> str | None:
        """Its name in the table of leases."""
        found = re.search(r"holder=(\S+)", self.log.read_text())
        return found[1] if found else None

    def exposed(self) -> frozenset[str]:
        """Return the accounts in its last scrape, if that is young."""
        last = self.last
        if last is None or not self.alive or self.stopped or time.time() - last.end > 3 * SCRAPE_SECONDS + 1:
            return frozenset()
        return frozenset(last.accounts)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.stops.append([time.time()])
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        # What it answers from now on is true from now on.
        self.stops[-1].append(time.time())
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def terminate(self) -> int:
        """End it as Kubernetes does, and return its exit status."""
        self.process.terminate()
        return self.process.wait(GENEROUS)

    def reload(self, config: Mapping[str, Any]) -> None:
        self.settings = config
        self.config.write_text(json.dumps(config))
        self.process.send_signal(signal.SIGHUP)

    def get(self, path: str, method: str = "GET", timeout: float = GENEROUS) -> str:
        """Return a page with its status before it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return f"{response.status} {response.read().decode()}"


@dataclass
class Api:
    """The API of one account."""

    work: Work
    mock_api: MockApi

    def events(self) -> Counter[str]:
        """Return what must have been counted, each once."""
        return words(sum((counting.finished(kind, item) for kind, item in self.work.items()), Counter()))


@dataclass
class Stage:
    """What takes part. All that happens is noted in `story`."""

    folder: Path
    server: postgres.Server
    random: random.Random
    apis: Mapping[str, Api]
    database: str
    stack: ExitStack
    replicas: list[Replica] = field(default_factory=list)
    scrapes: list[Scrape] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    _moving: threading.Event = field(default_factory=threading.Event)
    _pause: threading.Event = field(default_factory=threading.Event)
    _step: threading.Lock = field(default_factory=threading.Lock)
    """Held while work begins and ends."""

    def config(self, url: str | None = None, **changed: Any) -> dict[str, Any]:
        """Return a configuration; `changed` keys replace others, and `accounts` are names."""
        names = changed.pop("accounts", list(self.apis))
        state = {"url": url or self.server.url(self.database), "lease_ttl": f"{TTL:g}s", **changed.pop("state", {})}
        accounts = [
            {"name": name, "system": "inkit", "base_url": self.apis[name].mock_api.url, "api_token": TOKEN}
            for name in names
        ]
        common = {"collectors": list(KINDS), "max_requests_per_second": 100}
        return {
            "poll_interval": "1s",
            "reconcile_interval": "5s",
            "state": state,
            "accounts": [{**account, **common} for account in accounts],
            **changed,
        }

    def start(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        proxy: bool = False,
        scraped: bool = True,
        prepared: bool = True,
        ahead: float = 0.0,
    ) -> Replica:
        """Start one more replica, with a proxy between it and the database if it is to have one."""
        tunnel = self.stack.enter_context(TcpProxy(self.socket)) if proxy else None
        if tunnel is not None:
            url = f"postgresql://postgres@127.0.0.1:{tunnel.port}/{self.database}"
            config = self.config(url, state={"prepared_statements": prepared})
        replica = Replica(f"r{len(self.replicas)}", self.folder, config or self.config(), ahead)
        replica.proxy = tunnel
        self.replicas.append(replica)
        self.note(f"start {replica.name}")
        self.stack.callback(replica.kill)
        if scraped:
            threading.Thread(target=self._scrape, args=(replica,), daemon=True).start()
        return replica

    def fresh(self, count: int) -> tuple[Replica, ...]:
        """Return so many replicas with a proxy each that share all accounts, and let no other run."""
        live = [replica for replica in self.replicas if replica.alive]
        usable = all(r.proxy is not None and r.proxy.forwards for r in live)
        if not usable or len(live) != count or not self.shared(*live):
            # Those that start at once share at once.
            for replica in live:
                replica.process.terminate()
            live = [self.start(proxy=True) for _ in range(count)]
        self.until_moving(*live)
        return tuple(live)

    def until_moving(self, *live: Replica) -> None:
        """Wait until these replicas share all accounts, and let work begin and end from then on."""
        self.until(lambda: self.shared(*live), f"that {len(live)} share all accounts")
        if not self._moving.is_set():
            # What a first reading finds is no new event.
            self.until(self._all_read, "that all lists were read once")
            self._moving.set()

    def _all_read(self) -> bool:
        query = """SELECT count(*) FROM collectors WHERE marks LIKE '%"complete": true%'"""
        return bool(self.select(query)[0][0] == len(self.apis) * len(KINDS))

    @property
    def socket(self) -> str:
        """The path of the database's socket."""
        return f"{self.server.folder}/.s.PGSQL.{self.server.port}"

    def note(self, what: str) -> None:
        self.story.append(f"{time.time() - self.began:8.2f} {time.time():.2f} {what}")

    # The database.

    def prepare(self, database: str) -> None:
        """Make the tables in a database."""
        with opened(lambda: self.server.url(database), "test", 1) as state:
            state.prepare()

    def restart_database(self, down: float = 0.0) -> None:
        """Crash the database, and start it after so many seconds. It has all that was committed."""
        self.note(f"database down for {down:g} s")
        self.server.stop()
        time.sleep(down)
        self.server.start("synchronous_commit=on")
        self.note("database up")

    def cut_connections(self) -> None:
        """Have the server end all connections of replicas."""
        self.note("cut connections")
        self.server.cut_connections(self.database)

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with self.server.admin(self.database) as connection:
            return connection.execute(query.encode()).fetchall()

    def owners(self) -> dict[str, str | None]:
        """Return the holder of each account."""
        return dict(self.select("SELECT account, holder FROM leases"))

    # What is seen.

    def exposed_by(self, *replicas: Replica) -> bool:
        """Return whether these replicas together expose each account."""
        return set().union(*(replica.exposed() for replica in replicas)) == set(self.apis)

    def shared(self, *replicas: Replica) -> bool:
        """Return whether these replicas expose each account, and each has its share."""
        sizes = [len(replica.exposed()) for replica in replicas]
        return self.exposed_by(*replicas) and max(sizes) - min(sizes) <= 1

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
        """Wait for so many seconds in which this process could look. What a machine stands still does not count."""
        for _ in range(round(seconds / _LOOK_SECONDS)):
            if condition():
                return
            time.sleep(_LOOK_SECONDS)
        assert condition(), f"not within {seconds:g} s: {what}\n{self.report()}"

    def report(self) -> str:
        """Return what has happened, and the ends of the logs."""
        shown = [f"{r.name}: exposed {sorted(r.exposed())}, alive {r.alive}" for r in self.replicas]
        logs = [f"--- {r.log.name}\n{r.log.read_text()[-3000:]}" for r in self.replicas[-4:]]
        return "\n".join([*self.story, *shown, *logs])

    def longest_gap(self, since: float) -> float:
        """Return the longest time between two scrapes in a row that show an account, by what was scraped meanwhile."""
        scrapes = [scrape for scrape in list(self.scrapes) if scrape.end >= since]
        longest = 0.0
        for account in self.apis:
            seen = sorted(scrape.end for scrape in scrapes if account in scrape.accounts)
            for before, after in pairwise(seen):
                others = Counter(scrape.process for scrape in scrapes if before < scrape.end < after)
                longest = max(longest, min(after - before, max(others.values(), default=0) * SCRAPE_SECONDS))
        return longest

    # The judgment.

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Let nothing happen in the APIs meanwhile."""
        with self._step:
            self._moving.clear()
        try:
            yield
        finally:
            self._moving.set()

    def counted(self) -> dict[str, Counter[str]]:
        """Return what those who own the accounts now expose."""
        found: dict[str, tuple[float, Values]] = {}
        for replica in self.replicas:
            for account in replica.exposed():
                last = replica.last
                if last is not None and account in last.accounts and last.end > found.get(account, (0.0, {}))[0]:
                    found[account] = (last.end, last.accounts[account])
        return {
            account: words(figures("\n".join(f"{s} {v:g}" for s, v in values.items()), "_finished_total"))
            for account, (_, values) in found.items()
        }

    def wrong(self, seconds: float = _PATIENCE) -> list[str]:
        """Wait until each event was counted, and return what is against the promises so far."""
        missed = self.missed(seconds)
        return [*self.violations(), *missed]

    def missed(self, seconds: float = _PATIENCE) -> list[str]:
        """Wait until each event was counted, and return what is not as it should be at the end."""
        with self.still():
            expected = {account: api.events() for account, api in self.apis.items()}
            until = time.monotonic() + seconds
            while missed := differences(expected, self.counted()) or self._tables():
                if time.monotonic() > until:
                    break
                time.sleep(_LOOK_SECONDS)
            return missed

    def violations(self) -> list[str]:
        query = "SELECT extract(epoch FROM at)::float8, account, epoch, holder FROM lease_history"
        changes = [LeaseChange(*row) for row in self.select(query)]
        processes = {holder: r.name for r in self.replicas if (holder := r.holder) is not None}
        # The end of a scrape that is not answered yet is not known.
        return violations(list(self.scrapes), terms(changes, processes))

    def takeovers(self) -> int:
        return int(self.select("SELECT count(*) FROM lease_history WHERE holder IS NOT NULL")[0][0])

    def _tables(self) -> list[str]:
        """Compare the records of the database with those of the APIs."""
        query = """SELECT c.account, c.collector, count(*) FROM records r JOIN collectors c ON c.id = r.collector
                   GROUP BY 1, 2"""
        found = {(account, collector): count for account, collector, count in self.select(query)}
        expected = {
            (account, kind): count
            for account, api in self.apis.items()
            for kind in KINDS
            if (count := api.work.world.count(kind))
        }
        return [] if found == expected else [f"records in the database: {found}, in the APIs: {expected}"]

    # In threads of their own.

    def move(self) -> None:
        """Let work begin and end while it may, until the stage ends."""
        while not self._pause.wait(0.4):
            with self._step:
                if self._moving.is_set():
                    for api in self.apis.values():
                        self._move_one(api.work)

    def _move_one(self, work: Work) -> None:
        for _ in range(self.random.choice([0, 0, 1, 2])):
            work.begin()
        for _ in range(self.random.randint(0, 4)):
            work.go_on()

    def end(self) -> None:
        self._pause.set()

    def _scrape(self, replica: Replica) -> None:
        while not self._pause.wait(SCRAPE_SECONDS) and replica.alive:
            start = time.time()
            connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=GENEROUS)
            try:
                connection.request("GET", "/metrics")
                response = connection.getresponse()
                end = time.time()
                page = response.read().decode()
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            # To a request that was sent before the stop it may answer with what was true then: so is the time that
            # Prometheus gives the samples.
            start = max([start, *(on for off, on in _ended(replica.stops) if off < start < on < end)])
            replica.last = Scrape(start, end, replica.name, accounts_in(page))
            self.scrapes.append(replica.last)


def _ended(stops: Iterable[Sequence[float]]) -> list[tuple[float, float]]:
    """Return the stops that are over."""
    return [(stop[0], stop[1]) for stop in list(stops) if len(stop) == 2]


def words(counted: Mapping[tuple[str, ...], int]) -> Counter[str]:
    return Counter({" ".join(key): count for key, count in counted.items()})


@contextlib.contextmanager
def stage(folder: Path, accounts: Sequence[str] = tuple("abcde"), seed: int | None = None) -> Iterator[Stage]:
    """Set up the database and the APIs. Replicas are started by the test."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.running("synchronous_commit=on"))
        database = server.database()
        rng = random.Random(seed)
        apis = {}
        for account in accounts:
            work = Work(World(random.Random(rng.random())), random.Random(rng.random()))
            apis[account] = Api(work, stack.enter_context(MockApi(work.world, TOKEN)))
        made = Stage(folder, server, rng, apis, database, stack)
        made.prepare(database)
        server.execute(database, _HISTORY)
        stack.callback(made.end)
        threading.Thread(target=made.move, daemon=True).start()
        yield made
