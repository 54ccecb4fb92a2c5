"""A webhook brings polls forward, from the server to the API and back to a scrape. However many come, polls are few."""

import contextlib
import http.client
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.webhooks import made
from exporter.client.retry import ATTEMPTS
from exporter.demo.faults import Fault
from exporter.demo.items import document_batch, generations
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.polling import pace, schedule
from exporter.polling.running import asking
from exporter.systems import families
from exporter.web.app import App
from exporter.web.routes import Probes
from exporter.web.server.connection import DEFAULTS
from exporter.web.server.listen import listen
from exporter.web.server.server import Server
from tests.support import faults
from tests.support.at_work import Program
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import Rig
from tests.support.serving import Place, ask
from tests.support.webhooks import BODY, KEY, sign

SIGNATURE = sign()
COLLECTORS = ("document_batches", "workflow_batches", "invocations")
FAILED = {"sepire": generations(2, completed=1, failed=1)}
COUNTER = re.compile(
    r"^inkit_batch_generations_finished_total"
    r'\{account="production",destination="sepire",kind="document",status="failed"\} (\S+)',
    re.MULTILINE,
)


class Served(Program):
    """Accounts at work with an interval of five minutes, behind a server that receives webhooks."""

    place: Place

    def post(self, account: str = "production", signature: str = SIGNATURE) -> int:
        connection = http.client.HTTPConnection(*self.place, timeout=GENEROUS)
        with contextlib.closing(connection):
            connection.request("POST", f"/webhooks/{account}", BODY, {"Inkit-Signature": signature})
            return connection.getresponse().status

    def failures(self) -> float | None:
        """Return the counter in a scrape, as Prometheus sees it; None if it is absent."""
        found = COUNTER.search(ask(self.place, "GET", "/metrics")[1].decode())
        return None if found is None else float(found[1])

    def settled(self) -> int:
        """Wait until the engine has done what was asked of it, and no poll is under way. Return the requests made."""
        while True:
            for _ in range(2):
                self.scheduler.engine.submit("test", lambda: None).result(GENEROUS)
            before = len(self.rig.mock_api.requests)
            if self.scheduler.engine.submit("test", self._is_idle).result(GENEROUS):
                return before
            time.sleep(0.01)

    def _is_idle(self) -> bool:
        engine = self.scheduler.engine
        return not any(engine.tasks_of(pipeline.over) for pipeline in self.pipelines) and not self.scheduler.overdue


@contextlib.contextmanager
def serving(rig: Rig, folder: Path, webhook: bool = True) -> Iterator[Served]:
    (folder / "secret").write_bytes(KEY)
    program = Served(rig, folder, interval="5m")
    webhooks, use = made(asking(program.scheduler), program.live.webhooks)
    accounts = program.accounts(production="webhook: {secret_file: secret}" if webhook else "", other="")
    use(accounts)
    exposition = Exposition(rig.store, catalog(families()), program.live.registry)
    sockets = listen("127.0.0.1:0")
    program.place = sockets[0].getsockname()[:2]
    app = App(exposition, rig.store, Probes(lambda: True, lambda: None), webhooks=webhooks)
    server = Server(app, sockets, DEFAULTS)
    with contextlib.ExitStack() as ending:
        ending.callback(program.end)
        server.start()
        ending.callback(server.stop, GENEROUS)
        program.running.start(accounts)
        program.wait_for_polls("production", "other")
        program.settled()
        yield program


@pytest.fixture
def served(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(pace, "STANDS_SECONDS", 0.1)
    with serving(rig, tmp_path) as program:
        yield program


def test_a_failure_is_counted_within_seconds_at_an_interval_of_minutes(rig: Rig, served: Served) -> None:
    eventually(lambda: served.failures() == 0.0)
    rig.world.add("document_batches", document_batch("rb_1", time.time(), destinations=FAILED))
    assert served.post() == 202
    eventually(lambda: served.failures() == 1.0)


def test_only_the_account_that_is_named_is_polled_and_each_collector_once(rig: Rig, served: Served) -> None:
    before = len(rig.mock_api.requests)
    assert served.post() == 202
    eventually(lambda: len(rig.mock_api.requests) == before + len(COLLECTORS))
    assert served.settled() == before + len(COLLECTORS)


def test_however_many_webhooks_come_polls_are_few(rig: Rig, served: Served) -> None:
    before = served.settled()
    began = time.monotonic()
    statuses = {served.post() for _ in range(60)}
    lasted = time.monotonic() - began
    assert statuses <= {202, 429}
    polls = 2 + lasted / schedule.apart_seconds(300)
    assert len(COLLECTORS) <= served.settled() - before <= len(COLLECTORS) * polls


@pytest.mark.parametrize(
    ("account", "signature", "status"),
    [("production", "0" * 64, 401), ("other", SIGNATURE, 401), ("unknown", SIGNATURE, 401)],
)
def test_who_can_not_sign_brings_no_poll(rig: Rig, served: Served, account: str, signature: str, status: int) -> None:
    before = served.settled()
    assert served.post(account, signature) == status
    assert served.settled() == before


@pytest.mark.parametrize(
    "fault",
    [faults.status(500), faults.status(401), faults.status(429), faults.reset()],
    ids=["500", "401", "429", "reset"],
)
def test_an_api_that_is_down_is_asked_once_more_and_then_as_if_no_webhooks_came(
    rig: Rig, served: Served, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing but the failed poll keeps others from being asked for.
    monkeypatch.setattr(schedule, "ASKED_POLLS", math.inf)
    monkeypatch.setattr(schedule, "LEAST_APART_SECONDS", 0.0)
    rig.mock_api.faults.add(fault)
    before = served.settled()
    assert served.post() == 202
    pollers = [
        poller for pipeline in served.pipelines if pipeline.account.name == "production" for poller in pipeline.pollers
    ]
    eventually(lambda: all(poller.status.up is False for poller in pollers))
    asked = served.settled()
    assert asked - before <= ATTEMPTS * len(COLLECTORS)
    for _ in range(10):
        assert served.post() == 202
    assert served.settled() == asked


def test_who_is_told_to_wait_waits_however_many_webhooks_come(rig: Rig, served: Served) -> None:
    rig.mock_api.faults.add(faults.status(429, {"Retry-After": "100"}))
    before = served.settled()
    assert served.post() == 202
    eventually(lambda: served.paused_for("production") > 50)
    eventually(lambda: served.scheduler.workers.busy == 0)
    asked = len(rig.mock_api.requests)
    assert asked - before <= len(COLLECTORS)
    for _ in range(10):
        assert served.post() == 202
    for _ in range(3):
        served.scheduler.engine.submit("test", lambda: None).result(GENEROUS)
    assert served.scheduler.workers.busy == 0
    assert len(rig.mock_api.requests) == asked
