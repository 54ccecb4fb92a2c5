"""Run a soak: start the program, let faults happen, scrape, and judge what it uses, shows and counts."""

import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.canaries import holds
from tests.support.handovers import accounts_in, differences
from tests.support.moving_world import KINDS, figures_by_account
from tests.support.replicas import Replica, words
from tests.support.soak.faults import FAULTS, OUTAGES
from tests.support.soak.flatness import Sample, fits, used
from tests.support.soak.increases import Increases
from tests.support.soak.report import Report
from tests.support.soak.stores import STORES, Store
from tests.support.soak.worlds import TOKEN, ApiProcess, Truth, is_late, is_packagex, serving
from tests.support.walk import Actions, Deck

_LOOK_SECONDS = 0.1
_SERVES_WITHIN = 90.0
_PAGES = ("/", "/failures?format=json", "/-/ready", "/-/healthy")
_PAGES_EVERY = 5
_PAUSES = (0.05, 0.2, 0.4, 0.5, 1.5)
"""Between two actions, in poll intervals."""
_PEACEFUL_LINES = 5
_FINISHED = "_finished_total"
_CHANGES: Sequence[Mapping[str, Any]] = (
    {},
    {"page_size": 10},
    {"stuck_after": "2h"},
    {"lookback": "6d"},
    {"max_concurrent_requests": 1},
)
"""What may be different in the configuration of an account."""
_READ = re.compile(r'^batch_exporter_backfilling\{account="([^"]+)",collector="([^"]+)".*\} 0\.0$', re.MULTILINE)
_NOT_UP = re.compile(r"^batch_exporter_(?:up|config_last_reload_successful)\b.* 0\.0$", re.MULTILINE)
_ERRORS = re.compile(r"^(batch_exporter_poll_errors_total\{.*\}) (\S+)$", re.MULTILINE)
_REASON = re.compile(r'^batch_exporter_poll_errors_total\{.*reason="(\w+)"')
_INTERNAL = re.compile(r'^batch_exporter_poll_errors_total\{.*reason="internal".*\} (?!0\.0$)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a soak is, and how large. Times are in seconds."""

    seconds: float
    """The time with faults. It takes longer until all is settled."""
    accounts: int
    poll_interval: float
    scrape_interval: float
    round: float
    """After so long faults end, and all is compared with the worlds."""
    records: int
    """Of each account at first."""
    patience: float
    """For so long it may take until all is right after faults have ended."""
    workers: int
    """How many requests of the program may be under way."""

    def names(self) -> list[str]:
        """Return the names of the accounts, a fourth of them of PackageX, and one in ten that comes later."""
        count = self.accounts + max(1, self.accounts // 10)
        return [f"{'px' if number % 4 == 3 else 'inkit'}-{number}" for number in range(count)]


class Wrong(Exception):
    """A promise was broken so that there is no going on."""


class Soak:
    """One program, its APIs and its state."""

    def __init__(self, plan: Plan, store: Store, api: ApiProcess, folder: Path, report: Report) -> None:
        self._plan = plan
        self._store = store
        self._api = api
        self._folder = folder
        self._report = report
        self._random = random.Random(report.seed)
        names = plan.names()
        self._known, self._later = names[: plan.accounts], names[plan.accounts :]
        self._changed: dict[str, Mapping[str, Any]] = {}
        """What is different in the configuration of an account."""
        self._begun: set[str] = set()
        """The accounts whose records move: those that were read once."""
        self._processes: list[Replica] = []
        self._served = False
        """Whether this process has answered."""
        self._page = ""
        self._increases = Increases()
        self._next_scrape = self._next_sample = 0.0
        self._logged_before = 0
        """Bytes in the logs of processes that have ended."""
        self._errors = Increases()
        """Of failed polls for reasons of the state, which each program counts from 0."""
        self._to_live = False
        """Whether the process must be there."""
        self._steady = False
        """Whether it is the second half, in which the process lives on."""

    def run(self) -> None:
        """Run all of it. What is wrong is in the report."""
        try:
            self._start()
            self._wait_until_all_move()
            half = self._plan.seconds / 2
            # In the middle of work, in the shortest soak too.
            self._kill_and_start()
            self._rounds(half, Deck(self._random, {**self._actions(), **self._ends()}))
            self._steady = True
            self._rounds(half, Deck(self._random, self._actions()))
            self._steady = False
            self._kill()
            self._start()
            self._judge("after the last kill")
            self._stay()
            self._terminate()
        except Wrong as error:
            self._report.violations.append(str(error))
        finally:
            for process in self._processes:
                process.kill()
        self._look_at_the_end()

    # What happens.

    def _actions(self) -> Actions:
        return {
            "faults": (4, self._faults),
            "lasting trouble of an account": (1, self._lasting),
            "outage": (1, self._outage),
            "SIGHUP": (1, self._hang_up),
            "POST /-/reload": (2, self._post),
            "broken configuration": (1, self._break_configuration),
            "SIGSTOP": (1, self._stop),
            "calm": (1, self._api.calm),
            **self._store.actions(self._random, self._pause),
        }

    def _ends(self) -> Actions:
        return {"SIGKILL": (2, self._kill_and_start), "SIGTERM": (1, self._terminate_and_start)}

    def _rounds(self, seconds: float, deck: Deck) -> None:
        """Let things happen for so long, and judge now and then, and at the end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ends = min(until, time.monotonic() + self._plan.round)
            while time.monotonic() < ends:
                deck.act(self._report.actions, self._report.note)
                self._pause(self._random.choice(_PAUSES) * self._plan.poll_interval)
            self._heal()
            self._judge("after faults")

    def _faults(self) -> None:
        for account in self._random.sample(self._known, max(1, len(self._known) // 5)):
            self._trouble(account, self._random.choice(list(FAULTS)), self._random.randint(1, 3))

    def _lasting(self) -> None:
        self._trouble(self._random.choice(self._known), self._random.choice(list(FAULTS)), None)

    def _outage(self) -> None:
        self._trouble("*", self._random.choice(OUTAGES), None)
        self._pause(self._random.uniform(0.5, 2.0) * self._plan.poll_interval)
        self._api.calm()

    def _trouble(self, account: str, fault: str, times: int | None) -> None:
        self._report.faults[fault] += 1
        self._report.note(f"{account}: {fault}, {times or 'all'} times")
        self._api.trouble(account, fault, times)

    def _hang_up(self) -> None:
        # While its modules load, a signal ends it as it ends any program.
        if self._process.log.read_text():
            self._process.reload(self._another_config())

    def _post(self) -> None:
        config = self._another_config()
        if self._served:
            self._reload(config)

    def _break_configuration(self) -> None:
        """Have a configuration refused that has a mistake, and the right one taken after it."""
        if self._served:
            good = self._process.settings
            self._ask_to_reload({**good, "poll_intervall": TOKEN}, "500")
            self._reload(good)

    def _reload(self, config: Mapping[str, Any]) -> None:
        self._process.settings = config
        self._ask_to_reload(config, "200")

    def _ask_to_reload(self, config: Mapping[str, Any], expected: str) -> None:
        self._process.config.write_text(json.dumps(config))
        try:
            answer = self._process.get("/-/reload", "POST", 60.0)
        except (OSError, http.client.HTTPException) as error:
            raise Wrong(f"POST /-/reload is not answered: {error!r}") from error
        self._look_for_secrets("the answer to a reload", answer.encode())
        if not answer.startswith(expected):
            raise Wrong(f"POST /-/reload is answered with {answer}")

    def _stop(self) -> None:
        self._process.stop()
        self._pause(self._random.uniform(0.5, 3.0))
        self._process.go_on()

    def _kill_and_start(self) -> None:
        self._kill()
        self._pause(self._random.choice([0.0, 0.0, 2.0]))
        self._start()

    def _terminate_and_start(self) -> None:
        self._terminate()
        self._start()

    def _kill(self) -> None:
        self._ending()
        self._process.kill()

    def _terminate(self) -> None:
        self._ending()
        try:
            status = self._process.terminate()
        except subprocess.TimeoutExpired as error:
            raise Wrong("SIGTERM does not end it within 20 s") from error
        # See _hang_up.
        if status and self._process.log.read_text():
            self._report.violations.append(f"SIGTERM ends it with exit status {status}")

    def _ending(self) -> None:
        """Note what is known of a process for as long as it is there."""
        self._scrape()
        self._to_live = False
        self._note_cpu()

    def _start(self) -> None:
        self._logged_before = sum(process.log.stat().st_size for process in self._processes)
        config = self._config(self._known) if not self._processes else self._process.settings
        name = f"process-{len(self._processes)}"
        self._processes.append(Replica(name, self._folder, config, flags=["--web.enable-lifecycle"]))
        self._served = False
        self._to_live = True
        self._report.processes += 1

    @property
    def _process(self) -> Replica:
        return self._processes[-1]

    # The configuration.

    def _config(self, names: list[str]) -> dict[str, Any]:
        interval = self._plan.poll_interval
        return {
            "poll_interval": f"{interval * 1000:.0f}ms",
            "reconcile_interval": f"{2 * interval:.0f}s",
            "stale_after": "10m",
            "request_timeout": "2s",
            "page_size": 25,
            "limits": {"max_workers": self._plan.workers},
            "state": dict(self._store.settings),
            "accounts": [self._account(name) for name in names],
        }

    def _account(self, name: str) -> dict[str, Any]:
        system = "packagex" if is_packagex(name) else "inkit"
        return {
            "name": name,
            "system": system,
            "base_url": f"{self._api.url}/{name}",
            "api_token": TOKEN,
            "collectors": ["batches"] if system == "packagex" else list(KINDS),
            "max_requests_per_second": 100,
            **self._changed.get(name, {}),
        }

    def _another_config(self) -> dict[str, Any]:
        """Remove some accounts, change others, bring back the rest, and now and then add one that is new."""
        if self._later and self._random.random() < 0.5:
            self._known.append(self._later.pop())
        some = max(1, len(self._known) // 5)
        for name in self._random.sample(self._known, some):
            elsewhere = {"base_url": f"{self._api.url.replace('127.0.0.1', 'localhost')}/{name}"}
            self._changed[name] = self._random.choice([*_CHANGES, {} if is_late(name) else elsewhere])
        absent = set(self._random.sample(self._known, self._random.randint(0, some)))
        return self._config([name for name in self._known if name not in absent])

    # What is seen.

    def _pause(self, seconds: float) -> None:
        """Let time pass, and scrape and measure meanwhile."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            if now >= self._next_scrape:
                self._next_scrape = now + self._plan.scrape_interval
                self._scrape()
            if now >= self._next_sample:
                self._next_sample = now + max(0.5, self._plan.seconds / 600)
                self._sample()
            if (left := until - time.monotonic()) <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def _until(self, condition: Callable[[], bool], what: str, seconds: float) -> float:
        began = time.monotonic()
        while not condition():
            if time.monotonic() > began + seconds:
                raise Wrong(f"not within {seconds:g} s: {what}\n{self._process.log.read_text()[-2000:]}")
            self._pause(_LOOK_SECONDS)
        return time.monotonic() - began

    def _scrape(self) -> None:
        process = self._process
        if process.stopped or not process.alive:
            return
        try:
            answer = process.get("/metrics", timeout=60.0)
        except (OSError, http.client.HTTPException) as error:
            if self._served:
                self._report.violations.append(f"a scrape fails: {error!r}")
            return
        if not self._served:
            self._report.note("it serves")
        self._served = True
        self._report.scrapes += 1
        self._page = answer
        self._look_for_secrets("a scrape", answer.encode())
        if not answer.startswith("200 "):
            raise Wrong(f"a scrape is answered with {answer[:200]}")
        if _INTERNAL.search(answer):
            raise Wrong("a poll failed with an internal error")
        self._increases.take({s: v for values in accounts_in(answer).values() for s, v in values.items()})
        errors = {series: float(value) for series, value in _ERRORS.findall(answer)}
        of_state = {series for series in errors if 'reason="state' in series}
        self._errors.take({series: errors[series] for series in of_state})
        self._increases.take({series: errors[series] for series in errors.keys() - of_state})
        self._let_move(answer)
        if self._report.scrapes % _PAGES_EVERY == 0:
            self._look_for_secrets("a page", "".join(process.get(page, timeout=60.0) for page in _PAGES).encode())

    def _let_move(self, page: str) -> None:
        """Let the records of accounts move that were read once: what a first reading finds is no new event."""
        read = Counter(account for account, _ in _READ.findall(page))
        ready = [
            a for a, lists in read.items() if a not in self._begun and lists == (1 if is_packagex(a) else len(KINDS))
        ]
        if ready:
            self._begun.update(ready)
            self._api.begin(ready)

    def _sample(self) -> None:
        process = self._process
        if self._to_live and not process.alive:
            raise Wrong(f"it ended by itself: {process.process.returncode}\n{process.log.read_text()[-2000:]}")
        if process.stopped or not self._to_live or not self._steady:
            return
        # The database may be down.
        with contextlib.suppress(OSError, psycopg.Error):
            sizes = self._store.sizes()
            logged = self._logged_before + process.log.stat().st_size
            self._report.samples.append(Sample(time.monotonic(), *used(process.process.pid), *sizes, logged))

    def _note_cpu(self) -> None:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{self._process.process.pid}/stat").read_text().rpartition(")")[2].split()
            self._report.cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _look_for_secrets(self, where: str, content: bytes) -> None:
        if holds(content, "soak"):
            self._report.violations.append(f"a secret is in {where}")

    # The judgment.

    def _wait_until_all_move(self) -> None:
        self._until(lambda: self._begun >= set(self._known), "that all accounts were read once", _SERVES_WITHIN)

    def _heal(self) -> None:
        """End all faults, and have all accounts in the configuration."""
        self._report.note("all faults are over")
        self._api.calm()
        self._until(lambda: self._served, "that it serves", _SERVES_WITHIN)
        self._reload(self._config(self._known))
        self._wait_until_all_move()

    def _judge(self, when: str) -> None:
        """Compare all with the worlds, once it is right or it took too long."""
        truth = self._api.still()
        wrong = ["nothing was seen"]

        def right() -> bool:
            self._pause(self._plan.scrape_interval)
            wrong[:] = self._differences(truth)
            return not wrong

        began = time.monotonic()
        while not right():
            if time.monotonic() > began + self._plan.patience:
                log = self._process.log.read_text()[-2000:]
                raise Wrong("\n".join([f"{when}, after {self._plan.patience:g} s:", *wrong[:30], log]))
        self._report.settled.append(time.monotonic() - began)
        self._report.note(f"all is right {when}")
        self._report.judged += 1
        self._report.events = sum(events.total() for events, _ in truth.values())
        self._api.go_on(judged=True)

    def _stay(self) -> None:
        """See that all stays right while everything is read again, and that nothing is logged."""
        truth = self._api.still()
        self._until(lambda: not self._differences(truth), "that all is right at the end", self._plan.patience)
        logged = self._process.log.read_text().count("\n")
        self._pause(4 * self._plan.poll_interval)
        more = self._process.log.read_text().count("\n") - logged
        self._report.note(f"{more} lines logged in peace")
        if more > _PEACEFUL_LINES:
            self._report.violations.append(f"{more} lines are logged while nothing happens")
        if wrong := self._differences(truth):
            raise Wrong("\n".join(["it was right, and is not any more:", *wrong[:30]]))

    def _differences(self, truth: Truth) -> list[str]:
        events = {account: words(counted) for account, (counted, _) in truth.items()}
        gauges = {account: words(standing) for account, (_, standing) in truth.items()}
        shown = set(accounts_in(self._page))
        found = [f"{account} is not exposed" for account in sorted(set(self._known) - shown)]
        found += _NOT_UP.findall(self._page)
        for what, expected, page, ending in (
            ("exposed", events, self._page, _FINISHED),
            ("increase", events, self._increases.page(), _FINISHED),
            ("gauge", gauges, self._page, ""),
        ):
            counted = {account: words(values) for account, values in figures_by_account(page, ending).items()}
            found += [f"{what}: {difference}" for difference in differences(expected, counted)]
        return found

    def _look_at_the_end(self) -> None:
        report = self._report
        report.series = self._page.count("\n")
        report.violations += self._increases.falls[:10]
        for series, value in {**self._increases.total, **self._errors.total}.items():
            if found := _REASON.search(series):
                report.failed_polls[found[1]] += int(value)
        report.fits = fits(report.samples)
        report.violations += [f"not flat: {fit.text()}" for fit in report.fits if not fit.flat]
        for process in self._processes:
            log = process.log.read_text(errors="replace")
            report.count(log.splitlines())
            self._look_for_secrets(process.log.name, log.encode())
            if "Traceback" in log:
                report.violations.append(f"a traceback in {process.log}")
        self._look_for_secrets("the state", self._store.content())


def soak(state: str, plan: Plan, seed: int, folder: Path) -> Report:
    """Run a soak with this kind of state. The folder keeps its logs and, of a file, the state."""
    report = Report(state, seed, plan.seconds, plan.accounts)
    with (
        STORES[state](folder) as store,
        serving(plan.names(), seed, plan.records, plan.poll_interval) as api,
    ):
        Soak(plan, store, api, folder, report).run()
    return report
