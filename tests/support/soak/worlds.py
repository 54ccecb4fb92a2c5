"""The APIs of all accounts of a soak, in a process of their own: their records move, and their answers have faults."""

import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, Request
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import Item, Kind
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.server import BASE, Api, MockApi
from exporter.demo.world import World
from exporter.model.record import Key
from tests.support import counting
from tests.support.canaries import canary
from tests.support.moving_world import Moving, PackagexWork, Work
from tests.support.patience import GENEROUS
from tests.support.soak.faults import FAULTS

SECRET = canary("soak")
"""In every token and in every field of a record that is no status, ID or destination."""
TOKEN = f"{SECRET}{canary('soak.token')}"
_PAGE = 25
_AGES = (0.0, 0.0, 0.0, 60.0)

Truth = Mapping[str, tuple[Counter[Key], Counter[Key]]]
"""By account, what must have been counted since its records began to move, and what its gauges must be."""


def is_packagex(account: str) -> bool:
    """Return whether an account is of PackageX, which its name says."""
    return account.startswith("px")


def is_late(account: str) -> bool:
    """Return whether some records of an account appear a minute after their creation.

    The query of such an account must not change: with another one, only what is created later is a new event.
    """
    return int(account.rpartition("-")[2]) % 2 == 0


class _Secretive(Work):
    """Records of Inkit with secrets in them."""

    def put(self, kind: Kind, item: Item) -> None:
        super().put(kind, item | {"name": SECRET, "description": SECRET, "merge_parameters": {SECRET: SECRET}})


class _SecretivePackagex(PackagexWork):
    """Records of PackageX with secrets in them."""

    def put(self, item: Item) -> None:
        super().put(item | {"organization_id": SECRET, "updated_by": SECRET, "checksum": SECRET})


@dataclass(frozen=True, slots=True)
class _Below:
    """An API below a path of its own."""

    base: str
    api: Api

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        return self.api.answer(request, list_faults)


@dataclass(slots=True)
class _Account:
    """The records of one account, and what is known of them."""

    work: Moving
    ages: Sequence[float]
    """How old new records are."""
    moves: bool = False
    before: Counter[Key] = field(default_factory=Counter)
    """What the records stood for before they began to move: that is no event."""
    deleted: Counter[Key] = field(default_factory=Counter)
    """What the deleted records stood for."""
    deletable: list[tuple[Kind | counting.Batches, Item]] = field(default_factory=list)
    """What had ended when all was last known to be counted."""

    def begin_moving(self) -> None:
        if not self.moves:
            self.before = self._finished()
            self.moves = True

    def move(self, rng: random.Random, share: float) -> None:
        """Let a record begin, and one be deleted, in a share of all calls, and some work end."""
        if not self.moves:
            return
        if rng.random() < share:
            # Now and then more than a page holds.
            for _ in range(_PAGE + 5 if rng.random() < 0.01 else 1):
                self.work.begin(rng.choice(self.ages))
                self._delete(rng)
        # A record takes three steps or five to its end.
        for _ in range(5):
            if rng.random() < share:
                self.work.go_on()

    def events(self) -> Counter[Key]:
        return self._finished() + self.deleted - self.before

    def gauges(self) -> Counter[Key]:
        return sum((counting.gauges(kind, [item]) for kind, item in self.work.items()), Counter())

    def judged(self) -> None:
        """Note that all that has happened is counted."""
        self.deletable = [(kind, item) for kind, item in self.work.items() if not counting.in_flight(kind, item)]

    def _finished(self) -> Counter[Key]:
        return sum((counting.finished(kind, item) for kind, item in self.work.items()), Counter())

    def _delete(self, rng: random.Random) -> None:
        if self.deletable:
            kind, item = self.deletable.pop(rng.randrange(len(self.deletable)))
            self.work.remove(kind, item["id"])
            self.deleted += counting.finished(kind, item)


class _Apis:
    """All accounts, behind one server. The methods are called from the soak's process."""

    def __init__(self, names: Sequence[str], seed: int, records: int, every: float) -> None:
        """Serve accounts that have so many records at first. Each moves once in so many seconds."""
        self._rng = random.Random(seed)
        self._every = every
        self._accounts = {name: _Account(self._work(name), _AGES if is_late(name) else (0.0,)) for name in names}
        for account in self._accounts.values():
            for number in range(records):
                account.work.begin(age=60.0 + number * 600.0)
            for _ in range(4 * records):
                account.work.go_on()
        apis = [_Below(f"{BASE}/{name}", self._api(account.work)) for name, account in self._accounts.items()]
        self._server = MockApi(World(), TOKEN, apis=apis)
        self._lock = threading.Lock()
        """Held while records move."""
        self._still = threading.Event()
        self._server.start()
        threading.Thread(target=self._move, daemon=True).start()

    def url(self) -> str:
        return self._server.url

    def made(self) -> int:
        """Return how many records have been made."""
        return sum(account.work.made for account in self._accounts.values())

    def begin(self, accounts: Sequence[str]) -> None:
        """Let the records of these accounts move from now on."""
        with self._lock:
            for account in accounts:
                self._accounts[account].begin_moving()

    def trouble(self, account: str, fault: str, times: int | None) -> None:
        """Put a fault to so many requests of an account (`*`: all accounts), or to all until `calm`."""
        self._server.faults.add(FAULTS[fault](self._rng, TOKEN, SECRET), f"/{account}/*", times)

    def calm(self) -> None:
        """End all faults."""
        self._server.faults.clear()

    def still(self) -> Truth:
        """Let nothing happen from now on until `go_on`, and return what has happened."""
        with self._lock:
            self._still.set()
            return {name: (each.events(), each.gauges()) for name, each in self._accounts.items() if each.moves}

    def go_on(self, judged: bool) -> None:
        """Go on. All that has happened is counted, if it was judged so."""
        with self._lock:
            if judged:
                for account in self._accounts.values():
                    account.judged()
            self._still.clear()

    def _work(self, name: str) -> Moving:
        rng = random.Random(self._rng.random())
        return _SecretivePackagex(Batches(rng), rng) if is_packagex(name) else _Secretive(World(rng), rng)

    def _api(self, work: Moving) -> Api:
        if isinstance(work, PackagexWork):
            return PackagexApi(work.batches, TOKEN)
        assert isinstance(work, Work)
        return InkitApi(work.world, TOKEN)

    def _move(self) -> None:
        """Let time pass for all accounts, each a little later than the one before."""
        while True:
            for account in self._accounts.values():
                time.sleep(self._every / len(self._accounts))
                with self._lock:
                    if not self._still.is_set():
                        account.move(self._rng, 0.5)
            # This log of requests grows.
            self._server.requests.clear()


class ApiProcess:
    """The APIs, seen from the soak."""

    def __init__(self, connection: "Connection[tuple[str, tuple[Any, ...]], Any]") -> None:
        self._connection = connection
        self.url = str(self._call("url"))

    def made(self) -> int:
        return int(self._call("made"))

    def begin(self, accounts: Sequence[str]) -> None:
        self._call("begin", accounts)

    def trouble(self, account: str, fault: str, times: int | None) -> None:
        self._call("trouble", account, fault, times)

    def calm(self) -> None:
        self._call("calm")

    def still(self) -> Truth:
        truth: Truth = self._call("still")
        return truth

    def go_on(self, judged: bool) -> None:
        self._call("go_on", judged)

    def _call(self, name: str, *arguments: Any) -> Any:
        self._connection.send((name, arguments))
        return self._connection.recv()


@contextmanager
def serving(names: Sequence[str], seed: int, records: int, every: float) -> Iterator[ApiProcess]:
    """Serve these accounts below paths of their names until the end, from a process of its own."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    worker = spawning.Process(target=_serve, args=(theirs, names, seed, records, every), daemon=True)
    worker.start()
    theirs.close()
    try:
        yield ApiProcess(ours)
    finally:
        ours.close()
        worker.join(GENEROUS)
        worker.kill()
        worker.join()


def _serve(
    connection: "Connection[Any, tuple[str, tuple[Any, ...]]]",
    names: Sequence[str],
    seed: int,
    records: int,
    every: float,
) -> None:
    apis = _Apis(names, seed, records, every)
    while True:
        try:
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(getattr(apis, name)(*arguments))
