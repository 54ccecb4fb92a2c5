"""The whole chain: APIs and a pager, and between them the exporter, Prometheus and Alertmanager as processes."""

import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import forked
from tests.support.alerting import alertmanager, ask, free_address, prometheus_command
from tests.support.e2e_intervals import Account, Intervals, alertmanager_config, exporter_config, prometheus_config
from tests.support.pager import Pager
from tests.support.patience import GENEROUS, ends_of_logs, eventually
from tests.support.program import PATH
from tests.support.prometheus_versions import program
from tests.support.rig import TOKEN

_LOOK_SECONDS = 0.2
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Apis:
    """Both vendors' APIs, and what they have."""

    world: World
    batches: Batches
    mock_api: MockApi


class Program:
    """A program, to be killed and started again with the same arguments."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | forked.Running | None = None

    def start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, env=PATH, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill it as `kill -9` does. Asserts that it had not ended before."""
        assert self.end() == -signal.SIGKILL, self._log.read_text()

    def end(self) -> int | None:
        """Have it end in any case."""
        if self._process is None:
            return None
        self._process.kill()
        return self._process.wait()


class Exporter(Program):
    """The exporter: with the same port, configuration and state file each time."""

    def __init__(self, config: Path, address: str, intervals: Intervals) -> None:
        super().__init__([f"--web.listen-address={address}", f"--config.file={config}"], config.parent / "exporter.log")
        seconds = intervals.unscraped_seconds
        self._constants = {} if seconds is None else {"exporter.model.publication.PATIENCE_SECONDS": seconds}
        self.url = f"http://{address}"

    def start(self) -> None:
        """Start it in a process that has its modules already."""
        self._process = forked.Running(self._command, self._log, PATH, self._constants)


@dataclass(frozen=True, slots=True)
class Watch:
    """A Prometheus, with an Alertmanager and a pager of its own."""

    prometheus: Program
    address: str
    manager: str
    pager: Pager

    def query(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the series that Prometheus finds."""
        found = ask(f"{self.address}/api/v1/query?query={quote(expression)}")["data"]["result"]
        return [series["metric"] for series in found]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain at work, watched by one Prometheus or several."""

    exporter: Exporter
    watches: Sequence[Watch]
    folder: Path

    @property
    def pager(self) -> Pager:
        """The pager of the first Prometheus."""
        return self.watches[0].pager

    @property
    def manager(self) -> str:
        """The address of the first Prometheus' Alertmanager."""
        return self.watches[0].manager

    def query(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of the series that the first Prometheus finds."""
        return self.watches[0].query(expression)

    def until(self, look: Callable[[], _T | None], what: str, seconds: float = GENEROUS) -> _T:
        """Return what `look` returns, as soon as that is something. Fails with the programs' logs."""
        try:
            return eventually(look, pause=_LOOK_SECONDS, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\n{self._report()}") from error

    def _report(self) -> str:
        pages = [f"{number}: {page}" for number, watch in enumerate(self.watches) for page in watch.pager.all()]
        return "\n".join(["--- pages", *pages, ends_of_logs(self.folder)])


@contextmanager
def apis() -> Iterator[Apis]:
    world, batches = World(random.Random(1)), Batches(random.Random(1))
    with MockApi(world, TOKEN, apis=(PackagexApi(batches, TOKEN),)) as mock_api:
        yield Apis(world, batches, mock_api)


@contextmanager
def chain(folder: Path, accounts: Sequence[Account], intervals: Intervals, *others: Intervals) -> Iterator[Chain]:
    """Yield a chain that has seen what there is: what happens from now on is a new event. No process is left behind.

    Each of the `others` is for one more Prometheus that scrapes the same exporter.
    """
    with ExitStack() as stack:
        address = free_address()
        exporter = Exporter(exporter_config(folder, TOKEN, accounts, intervals), address, intervals)
        stack.callback(exporter.end)
        exporter.start()
        watches = [
            stack.enter_context(watch(folder / f"watch-{number}", address, each))
            for number, each in enumerate((intervals, *others))
        ]
        made = Chain(exporter, watches, folder)

        def watched() -> bool:
            """Have all windows been read."""
            seen = "batch_exporter_backfilling == 0"
            return all(len(watcher.query(seen)) == len(accounts) for watcher in watches)

        made.until(watched, "that every account is watched")
        yield made


@contextmanager
def watch(folder: Path, exporter: str, intervals: Intervals) -> Iterator[Watch]:
    """Yield a Prometheus that scrapes the exporter at this address, with its Alertmanager and its pager."""
    folder.mkdir()
    with ExitStack() as stack:
        pager = stack.enter_context(Pager())
        manager = stack.enter_context(alertmanager(folder, alertmanager_config(folder, pager.url, intervals)))
        address = free_address()
        config = prometheus_config(folder, exporter, manager, intervals)
        prometheus = Program(
            prometheus_command(config, address, program(intervals.prometheus)), folder / "prometheus.log"
        )
        stack.callback(prometheus.end)
        prometheus.start()
        yield Watch(prometheus, address, manager, pager)
