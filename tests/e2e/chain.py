"""The whole chain: APIs and a pager, and between them the exporter, Prometheus and Alertmanager as processes."""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.server import StandIn
from exporter.demo.world import World
from tests.alerting import alertmanager, ask, free_address, prometheus
from tests.e2e.intervals import Account, Intervals, alertmanager_config, exporter_config, prometheus_config
from tests.e2e.pager import Pager
from tests.rig import TOKEN
from tests.test_commands import PATH, PROGRAM

# What Prometheus could not send it sends again after a minute.
PATIENCE_SECONDS = 90.0
_LOOK_SECONDS = 0.05
_TAIL = 4000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Apis:
    """Both vendors' APIs, and what they have."""

    world: World
    batches: Batches
    stand_in: StandIn


class Exporter:
    """The program, to be killed and started again: with the same port, configuration and state file."""

    def __init__(self, config: Path, address: str) -> None:
        self.url = f"http://{address}"
        self._command = [*PROGRAM, f"--web.listen-address={address}", f"--config.file={config}"]
        self._log = config.parent / "exporter.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, env=PATH, stdout=log, stderr=log)

    def kill(self) -> None:
        """As `kill -9` does. It must not have ended before."""
        assert self.end() == -signal.SIGKILL, self._log.read_text()

    def end(self) -> int | None:
        """Have it end in any case."""
        if self._process is None:
            return None
        self._process.kill()
        return self._process.wait()


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain at work."""

    exporter: Exporter
    pager: Pager
    prometheus: str
    manager: str
    folder: Path

    def until(self, look: Callable[[], _T | None], what: str, patience: float = PATIENCE_SECONDS) -> _T:
        """What `look` gives, as soon as that is something. Fails after so many seconds, with the programs' logs."""
        deadline = time.monotonic() + patience
        pause = threading.Event()
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {patience:.0f} seconds: {what}\n{self._told()}"
            pause.wait(_LOOK_SECONDS)
        return found

    def query(self, expression: str) -> list[dict[str, str]]:
        """The labels of what Prometheus finds."""
        found = ask(f"{self.prometheus}/api/v1/query?query={quote(expression)}")["data"]["result"]
        return [one["metric"] for one in found]

    def _told(self) -> str:
        pages = [str(page) for page in self.pager.all()]
        logs = [f"--- {log.name}\n{log.read_text()[-_TAIL:]}" for log in sorted(self.folder.glob("*.log"))]
        return "\n".join(["--- pages", *pages, *logs])


@contextmanager
def apis() -> Iterator[Apis]:
    world, batches = World(random.Random(1)), Batches(random.Random(1))
    with StandIn(world, TOKEN, apis=(PackagexApi(batches, TOKEN),)) as stand_in:
        yield Apis(world, batches, stand_in)


@contextmanager
def chain(folder: Path, accounts: Sequence[Account], intervals: Intervals) -> Iterator[Chain]:
    """A chain that has seen what there is: all that happens from now on is news to it. No process is left behind."""
    with ExitStack() as stack:
        pager = stack.enter_context(Pager())
        address = free_address()
        exporter = Exporter(exporter_config(folder, TOKEN, accounts, intervals), address)
        stack.callback(exporter.end)
        exporter.start()
        manager = stack.enter_context(alertmanager(folder, alertmanager_config(folder, pager.url, intervals)))
        server = stack.enter_context(prometheus(prometheus_config(folder, address, manager, intervals)))
        made = Chain(exporter, pager, server, manager, folder)

        def watched() -> bool:
            """Have all windows been read."""
            return len(made.query("batch_exporter_backfilling == 0")) == len(accounts)

        made.until(watched, "that every account is watched", patience=120.0)
        yield made
