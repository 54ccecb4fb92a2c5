"""One exporter, and an API for each bad way to reach it: what the scrapes say while it is bad, and after.

How a way is made bad is left to others: rough_link.py does it in this process, and rough_kernel.py in the kernel.
"""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporter.demo.items import document_batch, generations
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.program import PATH, PROGRAM
from tests.support.rig import TOKEN

_PATIENCE = 120.0
"""Seconds after which something has failed for good; it is no measure of anything."""
_SCRAPE_SECONDS = 0.4
_RECORDS = 100
"""Records of each API: a page of them is 50 KB."""
_TIMEOUT_SECONDS = 3
STRAIGHT = "straight"
"""The account whose way is good all the time."""


@dataclass(slots=True)
class Road:
    """The way to one API."""

    name: str
    reasons: frozenset[str]
    """Why polls fail on it; without any they succeed, however slowly."""
    spoil: Callable[[], None] = lambda: None
    repair: Callable[[], None] = lambda: None
    url: str = ""
    happened: int = 0
    """How many failures there have been since the first poll."""
    world: World = field(default_factory=World)

    def happen(self) -> None:
        """Let something fail at the API."""
        self.happened += 1
        destinations = {"sepire": generations(1, failed=1)}
        self.world.add(
            "document_batches", document_batch(f"rb_{self.happened}_new", time.time(), destinations=destinations)
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one road, for people."""

    road: str
    outcome: str


class Trip:
    """An exporter on these roads. Each scrape is judged."""

    def __init__(self, folder: Path, roads: Sequence[Road]) -> None:
        self.roads = roads
        self._socket = folder / "metrics.sock"
        self._log = folder / "log"
        config = folder / "config.json"
        config.write_text(json.dumps(_config(roads)))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, f"--web.listen-address=unix://{self._socket}", f"--config.file={config}"],
                env=PATH,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> "Trip":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()

    def run(self) -> Sequence[Seen]:
        """Make the whole trip. Raises AssertionError."""
        self._until(lambda page: all(_up(page, road) == 1 for road in self.roads), "that all is well")
        before = self._scrape()
        for road in self.roads:
            road.spoil()
            road.happen()
        self._until(lambda page: all(_noticed(page, before, road) for road in self.roads), "what each road comes to")
        seen = [Seen(road.name, _outcome(before, self._scrape(), road)) for road in self.roads]
        for road in self.roads:
            road.repair()
            road.happen()
        self._until(lambda page: all(self._true(page, road) for road in self.roads), "that all is true again")
        # Nothing is counted later: each poll since has seen the same.
        for _ in range(8):
            page = self._scrape()
            assert all(_counted(page, road) == road.happened for road in self.roads), page
        log = self._log.read_text()
        assert "Traceback" not in log, log
        assert not any("internal" in _errors(page, road) for road in self.roads)
        return seen

    def _true(self, page: str, road: Road) -> bool:
        failed = _value(page, "inkit_batch_generations", account=road.name, destination="sepire", status="failed")
        batches = _value(page, "inkit_batches", account=road.name, status="completed")
        counted = _counted(page, road)
        return _up(page, road) == 1 and counted == failed == road.happened and batches == _RECORDS + road.happened

    def _until(self, condition: Callable[[str], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition(page := self._scrape()):
            assert time.monotonic() < deadline, (
                f"not seen in time: {what}\n{_summary(page)}\n{self._log.read_text()[-3000:]}"
            )
            time.sleep(_SCRAPE_SECONDS)

    def _scrape(self) -> str:
        """Scrape, which works whatever the roads are like. Nothing may be counted that has not happened."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            with (
                contextlib.closing(_UnixConnection(str(self._socket))) as connection,
                contextlib.suppress(ConnectionError, FileNotFoundError),
            ):
                connection.request("GET", "/metrics")
                page = connection.getresponse().read().decode()
                break
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "it never answered"
            time.sleep(0.1)
        for road in self.roads:
            assert _counted(page, road) <= road.happened, f"{road.name}: counted twice\n{_summary(page)}"
        return page


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@contextlib.contextmanager
def apis(roads: Sequence[Road]) -> Iterator[Mapping[str, int]]:
    """Serve an API for each road, with the same records. Yield their ports, by the names of the roads."""
    with contextlib.ExitStack() as running:
        ports = {}
        for road in roads:
            now = time.time()
            road.world.extend("document_batches", [document_batch(f"rb_{n}", now - 60 * n) for n in range(_RECORDS)])
            api = running.enter_context(MockApi(road.world, TOKEN))
            ports[road.name] = int(api.url.removesuffix("/v1").rpartition(":")[2])
            road.url = api.url
        yield ports


def _config(roads: Sequence[Road]) -> dict[str, object]:
    accounts = [
        {
            "name": road.name,
            "system": "inkit",
            "base_url": road.url,
            "api_token": TOKEN,
            "collectors": ["document_batches"],
        }
        for road in roads
    ]
    return {
        "poll_interval": "1s",
        "request_timeout": f"{_TIMEOUT_SECONDS}s",
        "stale_after": "1m",
        "max_requests_per_second": 50,
        "state": {"path": "state.db"},
        "accounts": accounts,
    }


def _value(page: str, family: str, **labels: str) -> float:
    """Return the value of the series with these labels, and perhaps others; 0 if there is none."""
    for given, value in re.findall(rf"^{family}\{{(.*)\}} (\S+)$", page, re.MULTILINE):
        if all(f'{name}="{wanted}"' in given for name, wanted in labels.items()):
            return float(value)
    return 0.0


def _up(page: str, road: Road) -> float:
    return _value(page, "batch_exporter_up", account=road.name)


def _counted(page: str, road: Road) -> float:
    family = "inkit_batch_generations_finished_total"
    return _value(page, family, account=road.name, destination="sepire", status="failed")


def _errors(page: str, road: Road) -> dict[str, float]:
    """Return the polls that failed, by reason."""
    lines = re.findall(r"^batch_exporter_poll_errors_total\{(.*)\} (\S+)$", page, re.MULTILINE)
    ours = [(labels, float(value)) for labels, value in lines if f'account="{road.name}"' in labels]
    return {str(re.search(r'reason="(\w+)"', labels)[1]): value for labels, value in ours if value}  # type: ignore[index]


def _new_errors(before: str, page: str, road: Road) -> set[str]:
    old = _errors(before, road)
    return {reason for reason, count in _errors(page, road).items() if count > old.get(reason, 0)}


def _noticed(page: str, before: str, road: Road) -> bool:
    """Return whether a road has come to what it should: a poll that failed for the right reason, or succeeded."""
    if not road.reasons:
        return _counted(page, road) == road.happened
    return bool(_new_errors(before, page, road) & road.reasons) and _up(page, road) == 0


def _outcome(before: str, page: str, road: Road) -> str:
    if not road.reasons:
        return "polls succeed"
    # On a busy machine a poll may time out, whatever is wrong with its road.
    reasons = _new_errors(before, page, road)
    assert reasons <= road.reasons | {"timeout"}, f"{road.name}: {reasons}"
    return f"polls fail with {' or '.join(sorted(reasons & road.reasons))}"


def _summary(page: str) -> str:
    kept = ("batch_exporter_up{", "batch_exporter_poll_errors_total{", "inkit_batch_generations_finished_total{")
    return "\n".join(line for line in page.splitlines() if line.startswith(kept) and not line.endswith(" 0.0"))
