"""Accounts at work: a supervisor with its scheduler, against the mock API."""

import json
import time
from pathlib import Path

import yaml

from exporter.config import Account, load
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import CollectorSnapshot
from exporter.polling.build import Shared, account_pipeline
from exporter.polling.poller import Poller
from exporter.polling.scheduler import WORKERS, Scheduler
from exporter.polling.supervisor import AccountPipeline, Supervisor
from exporter.systems import sources
from tests.support.patience import GENEROUS, eventually
from tests.support.rig import TOKEN, Rig


class Program:
    """What runs the accounts of configurations against the mock API. They poll once, and again in an hour."""

    def __init__(self, rig: Rig, folder: Path, workers: int = WORKERS, interval: str = "1h") -> None:
        self.rig = rig
        self.folder = folder
        self.live = SelfMetrics("1", "abc", rig.store)
        self.interval = interval
        self.scheduler = Scheduler(workers)
        self.shared = Shared(rig.state, rig.store, self.live, self.scheduler.runner)
        self.pipelines: list[AccountPipeline] = []
        self.running = Supervisor(rig.store, self._make, self.scheduler, self.shared.limiters.keep)
        self.breaks = False
        self.stops = False

    def _make(self, account: Account, known: object) -> AccountPipeline:
        if self.breaks:
            raise RuntimeError("can't start new thread")
        if self.stops:
            self.running.stop()
        self.pipelines.append(account_pipeline(account, sources(), self.shared, known))  # type: ignore[arg-type]
        return self.pipelines[-1]

    def accounts(self, **given: str) -> tuple[Account, ...]:
        """Return accounts by name, each with its own settings beside the common ones."""
        path = self.folder / "config.yaml"
        common = {"system": "inkit", "base_url": self.rig.mock_api.url, "api_token": TOKEN}
        document = {
            "poll_interval": self.interval,
            "stale_after": "2h",
            "max_requests_per_second": 1000,
            "accounts": [{"name": name, **common, **yaml.safe_load(f"{{{text}}}")} for name, text in given.items()],
        }
        path.write_text(json.dumps(document))
        return load(path, {name: source.system for name, source in sources().items()}, {}).accounts

    def end(self) -> None:
        """End all polls, as the program does at its end."""
        self.running.stop()
        self.rig.mock_api.faults.clear()
        for each in self.pipelines:
            each.close()
        assert self.scheduler.engine.stop(GENEROUS)

    def wait_for_polls(self, *accounts: str, since: float = 0.0) -> None:
        """Wait until each of their collectors has been polled with success after a moment (epoch seconds)."""

        def done() -> bool:
            statuses = [collector.status for account in accounts for collector in self.snapshots_of(account)]
            return all(status.up and (status.last_success or 0.0) >= since for status in statuses)

        eventually(done)

    def poll(self, poller: Poller) -> bool:
        """Poll now, out of turn."""
        return self.scheduler.engine.submit("test", poller.poll).result(GENEROUS)

    def change(self, **given: str) -> dict[str, int]:
        return self.running.change(self.accounts(**given)).counts()

    def asked(self) -> list[str]:
        return [request.path for request in self.rig.mock_api.requests]

    def paused_for(self, account: str) -> float:
        """Return for how many seconds its API wants no request of an account, as a scrape says; 0 if it does not."""
        labels = {"account": account, "system": "inkit"}
        until = self.live.registry.get_sample_value("batch_exporter_api_paused_until_timestamp_seconds", labels)
        return 0.0 if until is None else until - time.time()

    def continues(self, account: Account) -> bool:
        """Return whether the pause and the slots of an account's last rate limiter are kept for its next one."""
        return self.shared.limiters.made(account)[1]

    def snapshots_of(self, account: str) -> list[CollectorSnapshot]:
        return [collector for collector in self.rig.store.snapshot.collectors if collector.account == account]

    def shown(self, account: str, family: str) -> str:
        blocks = [
            collector.gauges.get(family) or collector.counters.get(family) or collector.status_gauges.get(family)
            for collector in self.snapshots_of(account)
        ]
        return "".join(block.text.decode() for block in blocks if block is not None)
