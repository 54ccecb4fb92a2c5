"""Many kills in a row at random moments, while the world goes on: no event is lost and none counted twice."""

import contextlib
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from exporter.model.record import Key
from tests.support import counting, forked, postgres
from tests.support.moving_world import KINDS, Work, figures
from tests.support.patience import GENEROUS
from tests.support.program import get, running
from tests.support.properties import examples
from tests.support.rig import TOKEN, Rig


@dataclass(frozen=True)
class Store:
    """Where the state is."""

    settings: str
    bury: Callable[[], None] = lambda: None
    """Is called after each kill."""
    constants: Mapping[str, object] = field(default_factory=dict)
    """What is different in the program, so that it begins at once."""


@contextlib.contextmanager
def in_file(folder: Path) -> Iterator[Store]:
    yield Store(f"path: {folder}/serve.db")


@contextlib.contextmanager
def in_database(folder: Path) -> Iterator[Store]:
    """Yield a database in which the lease of a killed program expires at once."""
    server = postgres.shared()
    name = server.database()
    with server.admin(name) as connection:

        def bury() -> None:
            connection.execute("UPDATE replicas SET expires_at = clock_timestamp() - interval '1 s'")

        yield Store(f"url: '{server.url(name)}'", bury, {"exporter.replicas.leases.JOINING_SECONDS": 0.0})
    server.drop(name)


def configuration(rig: Rig, folder: Path, store: Store) -> str:
    path = folder / "config.yaml"
    path.write_text(
        "poll_interval: 50ms\nreconcile_interval: 1s\npage_size: 25\nmax_requests_per_second: 100000\n"
        f"state: {{{store.settings}}}\n"
        f"accounts: [{{name: prod, system: inkit, base_url: {rig.mock_api.url}, api_token: {TOKEN},"
        f" collectors: [{', '.join(KINDS)}]}}]\n"
    )
    return f"--config.file={path}"


def reconciled_since(url: str, moment: float) -> str:
    """Return the page once every collector has begun and ended a reading of the whole window after this moment."""
    deadline = time.monotonic() + GENEROUS
    pattern = r"^batch_exporter_last_reconcile_timestamp_seconds\{.*\} (\S+)$"
    while True:
        page = get(url + "/metrics")
        times = [float(moment) for moment in re.findall(pattern, page, re.MULTILINE)]
        if len(times) == len(KINDS) and min(times) > moment:
            return page
        assert time.monotonic() < deadline, page
        time.sleep(0.05)


def killed_at_work(rig: Rig, work: Work, store: Store, arguments: list[str]) -> bool:
    """Let the program run while the world goes on, and kill it at a random moment.

    Returns whether it sent a request.
    """
    rig.mock_api.requests.clear()
    process = forked.start(["--web.listen-address=127.0.0.1:0", *arguments], store.constants)
    # One in three may be killed before its first request. How long it takes to start depends on the machine's load.
    begins = time.monotonic() + (work.rng.uniform(0.0, 0.1) if work.rng.random() < 1 / 3 else GENEROUS)
    while not rig.mock_api.requests and time.monotonic() < begins:
        lived(process, 0.01)
    ends = time.monotonic() + work.rng.uniform(0.0, 0.12)
    while (left := ends - time.monotonic()) > 0:
        work.pass_time()
        lived(process, min(left, 0.02))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    store.bury()
    return bool(rig.mock_api.requests)


def lived(process: BaseProcess, seconds: float) -> None:
    """Wait, and assert that the program does not end by itself."""
    process.join(seconds)
    assert process.exitcode is None, "it ended by itself"


def counted(rig: Rig) -> Counter[Key]:
    """Return what all records add to the counters."""
    return sum((counting.finished(kind, item) for kind in KINDS for item in rig.world.items(kind)), Counter())


@pytest.mark.parametrize("place", [in_file, pytest.param(in_database, marks=[pytest.mark.slow, pytest.mark.programs])])
def test_kills_in_a_row_lose_nothing_and_repeat_nothing(
    rig: Rig, tmp_path: Path, place: Callable[[Path], AbstractContextManager[Store]]
) -> None:
    with place(tmp_path) as store:
        loses_nothing_and_repeats_nothing(rig, tmp_path, store, examples(30))


def loses_nothing_and_repeats_nothing(rig: Rig, folder: Path, store: Store, kills: int) -> None:
    work = Work(rig.world)
    for number in range(200):
        work.begin(age=number * 300.0 + 60)
    for _ in range(300):
        work.go_on()
    arguments = [configuration(rig, folder, store)]
    with running(arguments) as (_, url):
        reconciled_since(url, 0.0)
    store.bury()
    before = counted(rig)
    at_work = sum(killed_at_work(rig, work, store, arguments) for _ in range(kills))
    assert at_work > kills / 3
    with running(arguments) as (_, url):
        page = reconciled_since(url, time.time() + 3)
    assert figures(page, "_finished_total") == counted(rig) - before
    standing = sum((counting.gauges(kind, rig.world.items(kind)) for kind in KINDS), Counter[Key]())
    assert figures(page, "") == standing
