"""docs/adding-a-system.md holds a whole system: its blocks, put together as a module, are polled from a server."""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.client import Client, ThreadRunner
from exporter.client.client import Access
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import Transport
from exporter.config import load
from exporter.demo.server import MockApi
from exporter.demo.world import World
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.record import Reason
from exporter.model.tls import TLSConfig
from exporter.polling.collector import Collector, Limits
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.state import State, prepared
from exporter.systems import Source
from exporter.systems.base import Options
from exporter.systems.detail import Moment
from tests.support.letters import KEY, AcmeApi
from tests.support.pages import DOCS, blocks
from tests.support.paths import ROOT
from tests.support.patience import GENEROUS
from tests.support.rig import DAY, HOUR, Clock, Meter, Pauses, own_counters

PAGE = DOCS / "adding-a-system.md"
MADE = "2026-03-01T08:30:00Z"


def letter(record_id: str, state: str, **changed: Any) -> dict[str, Any]:
    return {"id": record_id, "made_at": MADE, "country": "DE", "state": state, "sheets": 1, "to": "CANARY", **changed}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return the module that the code blocks of the page make up."""
    path = tmp_path / "acme.py"
    path.write_text("\n\n".join(blocks(PAGE, "python")))
    return path


@pytest.fixture
def source(module: Path) -> Source:
    spec = importlib.util.spec_from_file_location("acme", module)
    assert spec is not None
    assert spec.loader is not None
    acme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(acme)
    found = acme.SOURCE
    assert isinstance(found, Source)
    return found


class Post:
    """An account of Acme that is polled, and what it is polled from."""

    def __init__(self, source: Source, state: State, api: AcmeApi, url: str) -> None:
        self.api = api
        self.source = source
        self.clock = Clock(datetime.fromisoformat(MADE).timestamp())
        self.meter = Meter()
        self.state = state
        self._url = url
        self._store = SnapshotStore()

    def poller(self, key: str = KEY) -> Poller:
        """Return a poller as in a program that has just started."""
        families = self.source.families
        limits = Limits(7 * DAY, HOUR, 30 * DAY, page_size=100, allowance=30)
        return Poller(
            Collector(self.source.listing("letters", Options()), families, limits),
            self._client(key),
            self.state,
            Output(self._store.publish, lambda: self._store.last_scrape),
            CollectorStatus("post", "acme", "letters"),
            Pace(60.0, 600.0, HOUR),
            clock=self.clock,
            ticks=self.clock,
        )

    def lines(self, *families: str) -> list[str]:
        """Return the lines of these families in a scrape."""
        [shown] = self._store.snapshot.collectors
        return [
            line
            for family in families
            for line in {**shown.gauges, **shown.counters}[family].text.decode().splitlines()
            if line[0] != "#"
        ]

    def finished(self) -> dict[str, int]:
        """Return the counters that are not 0 in the state, by status."""
        with self.state.records("post", "letters", Rules.of(self.source.families)) as records:
            counters = records.sums().counters
        return {key[-1]: count.counted for key, count in counters.items() if key[0] == "acme_letters_finished_total"}

    def exemplars(self) -> list[str]:
        """Return the samples of letters that have an exemplar, as a scrape shows them."""
        [shown] = self._store.snapshot.collectors
        lines = shown.counters["acme_letters_finished_total"].openmetrics.decode().splitlines()
        return [line.partition(" # ")[0] for line in lines if "record_id=" in line]

    def failed(self) -> list[tuple[str, tuple[str, ...], str]]:
        """Return the failed records as they are listed: ID, places, and the alert whose runbook has the fix."""
        [shown] = self._store.snapshot.collectors
        return [(failure.record_id, failure.places, failure.alert) for failure in shown.failures]

    def _client(self, key: str) -> Client:
        return Client(
            Access(self._url, self.source.system.token_header, lambda: key, 5.0, self.source.refused),
            Transport(TLSConfig(), None),
            RateLimiter(1000, 4, time.monotonic),
            self.meter,
            ThreadRunner(Pauses()),
        )


@pytest.fixture
def post(source: Source, tmp_path: Path) -> Iterator[Post]:
    api = AcmeApi()
    with MockApi(World(), apis=(api,)) as mock_api, prepared(tmp_path / "state.db") as state:
        yield Post(source, state, api, mock_api.url)


def test_the_metrics_on_the_page_are_those_of_the_letters_on_the_page(post: Post) -> None:
    [example] = blocks(PAGE, "json")
    post.api.add(json.loads(example)["letters"])
    assert post.poller().poll()
    [expected] = blocks(PAGE, "")
    assert post.lines("acme_letters", "acme_sheets", "acme_letters_finished_total") == expected.splitlines()


def test_a_letter_that_is_returned_is_a_failure_and_counted_once_also_over_a_restart(post: Post) -> None:
    post.api.add(letter(f"ltr_{number}", "Returned") for number in range(3))
    first = post.poller()
    assert first.poll()
    post.clock.now += 60
    post.api.add([letter("ltr_new", "Queued")])
    assert first.poll()
    assert post.finished() == {}
    post.api.add([letter("ltr_new", "Returned")])
    assert first.poll()
    assert post.poller().poll()
    assert post.finished() == {"returned": 1}
    assert post.failed() == [("ltr_new", ("de",), "AcmeLetterReturned")]
    post.clock.now += 60
    assert first.poll()
    assert post.exemplars() == ['acme_letters_finished_total{account="post",country="de",status="returned"} 1.0']


def test_a_quiet_poll_of_a_long_list_costs_little_though_it_runs_oldest_first(post: Post) -> None:
    now = post.clock.now
    dates = [datetime.fromtimestamp(now - (1000 - number) * 60).astimezone().isoformat() for number in range(1000)]
    post.api.add(letter(f"ltr_{number}", "Delivered", made_at=made) for number, made in enumerate(dates))
    poller = post.poller()
    assert poller.poll()
    assert poller.status.finished == 1000
    post.clock.now += 60
    post.meter.codes.clear()
    assert poller.poll()
    assert len(post.meter.codes) <= 3


def test_a_letter_that_can_not_be_read_is_counted_as_rejected_by_its_field(post: Post) -> None:
    post.api.add([letter("ltr_1", "Delivered"), letter("ltr_2", "Delivered", made_at="yesterday")])
    poller = post.poller()
    assert poller.poll()
    assert (poller.status.finished, list(own_counters(post.state, *poller.id).rejected)) == (1, ["made_at"])


def test_sheets_that_can_not_be_read_are_counted_as_unknown_and_the_letter_as_a_letter(post: Post) -> None:
    post.api.add([letter("ltr_1", "Delivered", sheets="two")])
    poller = post.poller()
    assert poller.poll()
    assert poller.status.finished == 1
    assert own_counters(post.state, *poller.id).unknown_values == {"sheets": 1}


def test_a_state_that_the_page_does_not_name_is_in_flight_and_logged(post: Post) -> None:
    post.api.add([letter("ltr_1", "Lost in a snowdrift")])
    poller = post.poller()
    assert poller.poll()
    assert (poller.status.in_flight, dict(own_counters(post.state, *poller.id).unknown_values)) == (1, {"status": 1})


def test_a_wrong_key_is_a_poll_that_failed(post: Post) -> None:
    poller = post.poller("another-key")
    assert not poller.poll()
    assert own_counters(post.state, *poller.id).poll_errors[Reason.AUTH] == 1


def test_a_letter_is_shown_and_its_recipient_is_private(source: Source) -> None:
    assert source.details.collector("ltr_1") == "letters"
    detail = source.details.read("letters", "ltr_1", letter("ltr_1", "Queued"))
    assert detail is not None
    assert detail.fields["made_at"] == Moment(datetime.fromisoformat(MADE).timestamp())
    assert detail.private == {"to": "CANARY"}
    assert "CANARY" not in repr(detail)


def test_the_configuration_on_the_page_is_read(source: Source, tmp_path: Path) -> None:
    [text] = blocks(PAGE, "yaml")
    (tmp_path / "config.yaml").write_text(text)
    [account] = load(tmp_path / "config.yaml", {"acme": source.system}, {"ACME_KEY": KEY}).accounts
    assert (account.name, account.base_url, account.collectors) == ("post", source.system.base_url, ("letters",))


def judged(*tool: str) -> str:
    """Return the output of a tool that finds something wrong; an empty text if it succeeds."""
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, timeout=5 * GENEROUS, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_the_file_satisfies_the_tools_that_judge_the_others(module: Path) -> None:
    settings = f"--config={ROOT / 'pyproject.toml'}"
    assert judged("ruff", "check", settings, str(module)) == ""
    assert judged("ruff", "format", "--check", settings, str(module)) == ""
    # pyproject.toml names the packages to check, and a module in another place is none of them.
    assert judged("mypy", "--config-file=", "--strict", "--follow-imports=silent", str(module)) == ""
