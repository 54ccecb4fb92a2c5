"""Run a soak: start the program, let faults happen, scrape, and judge what it uses, shows and counts."""

import http.client
import json
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.replicas import Replica
from tests.support.soak.configuration import Configurations, Plan
from tests.support.soak.faults import FAULTS, OUTAGES
from tests.support.soak.observer import Observer, Wrong
from tests.support.soak.report import Report
from tests.support.soak.stores import STORES, Store
from tests.support.soak.worlds import TOKEN, ApiProcess, Truth, serving
from tests.support.walk import Actions, Deck

_LOOK_SECONDS = 0.1
_SERVES_WITHIN = 300.0
_SLOW_RELOAD = "500 The reload has not ended"
"""What a busy machine may come to."""
_PAUSES = (0.05, 0.2, 0.4, 0.5, 1.5)
"""Between two actions, in poll intervals."""


class Soak:
    """One program, its APIs and its state."""

    def __init__(self, plan: Plan, store: Store, api: ApiProcess, folder: Path, report: Report) -> None:
        self._plan = plan
        self._store = store
        self._api = api
        self._folder = folder
        self._report = report
        self._random = random.Random(report.seed)
        self._configs = Configurations(self._random, plan.names(), plan.later, api.url, plan.common(store))
        self._observer = Observer(store, report)
        self._begun: set[str] = set()
        """The accounts whose records move: what a first reading finds is no new event."""
        self._processes: list[Replica] = []
        self._to_live = False
        """Whether the process must be there."""
        self._served = False
        """Whether it has answered."""
        self._steady = False
        """Whether it is the second half, in which the process lives on and is measured."""
        self._next_scrape = self._next_sample = 0.0
        self._logged_before = 0
        """Bytes in the logs of processes that have ended."""

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
        self._observer.look_at_the_end(self._processes)

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
        for account in self._random.sample(self._configs.known, max(1, len(self._configs.known) // 5)):
            self._trouble(account, self._random.choice(list(FAULTS)), self._random.randint(1, 3))

    def _lasting(self) -> None:
        self._trouble(self._random.choice(self._configs.known), self._random.choice(list(FAULTS)), None)

    def _outage(self) -> None:
        self._trouble("*", self._random.choice(OUTAGES), None)
        self._pause(self._random.uniform(0.5, 2.0) * self._plan.poll_interval)
        self._api.calm()

    def _trouble(self, account: str, fault: str, times: int | None) -> None:
        self._report.faults[fault] += 1
        self._report.note(f"{account}: {fault}, {times or 'all'} times")
        self._api.trouble(account, fault, times)

    def _hang_up(self) -> None:
        config = self._configs.another()
        # While its modules load, a signal ends it as it ends any program.
        if self._process.log.read_text():
            self._process.reload(config)

    def _post(self) -> None:
        config = self._configs.another()
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
        answer = [_SLOW_RELOAD]

        def answered() -> bool:
            try:
                answer[0] = self._process.get("/-/reload", "POST", 90.0)
            except (OSError, http.client.HTTPException) as error:
                raise Wrong(f"POST /-/reload is not answered: {error!r}") from error
            self._observer.look_for_secrets("the answer to a reload", answer[0].encode())
            return not answer[0].startswith(_SLOW_RELOAD)

        self._until(answered, lambda: "a reload ends", _SERVES_WITHIN)
        if not answer[0].startswith(expected):
            raise Wrong(f"POST /-/reload is answered with {answer[0]}")

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
        """Read what will be gone once the process has ended."""
        self._scrape()
        self._observer.note_cpu(self._process)
        self._to_live = False

    def _start(self) -> None:
        self._logged_before = sum(process.log.stat().st_size for process in self._processes)
        config = self._process.settings if self._processes else self._configs.all()
        name = f"process-{len(self._processes)}"
        self._processes.append(Replica(name, self._folder, config, flags=["--web.enable-lifecycle"]))
        self._observer.begin()
        self._to_live, self._served = True, False
        self._report.processes += 1

    @property
    def _process(self) -> Replica:
        return self._processes[-1]

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

    def _until(self, condition: Callable[[], bool], what: Callable[[], str], seconds: float) -> float:
        """Wait, looking after each scrape, and return how long it took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() > began + seconds:
                raise Wrong(f"not within {seconds:g} s: {what()}\n{self._process.log.read_text()[-2000:]}")
            self._pause(self._plan.scrape_interval)
        return time.monotonic() - began

    def _scrape(self) -> None:
        if self._process.stopped or not self._process.alive:
            return
        served = self._observer.scrape(self._process, self._served)
        if served and not self._served:
            self._report.note("it serves")
        self._served = self._served or served
        if ready := [account for account in self._observer.read() if account not in self._begun]:
            self._begun.update(ready)
            self._api.begin(ready)

    def _sample(self) -> None:
        process = self._process
        if self._to_live and not process.alive:
            raise Wrong(f"it ended by itself: {process.process.returncode}\n{process.log.read_text()[-2000:]}")
        if self._to_live and self._steady and not process.stopped:
            self._observer.sample(process, self._logged_before, self._api.made())

    # The judgment.

    def _wait_until_all_move(self) -> None:
        known = self._configs.known
        self._until(lambda: self._begun >= set(known), lambda: "all accounts were read once", _SERVES_WITHIN)

    def _heal(self) -> None:
        """End all faults, and have all accounts in the configuration."""
        self._report.note("all faults are over")
        self._api.calm()
        self._until(lambda: self._served, lambda: "it serves", _SERVES_WITHIN)
        self._reload(self._configs.all())
        self._wait_until_all_move()

    def _judge(self, when: str) -> None:
        """Wait until all is as in the worlds, where nothing happens meanwhile."""
        self._report.settled.append(self._until_right(self._api.still(), when))
        self._report.note(f"all is right {when}")
        self._api.go_on(judged=True)

    def _stay(self) -> None:
        """Check that all stays right while everything is read again, and that little is logged."""
        truth = self._api.still()
        self._until_right(truth, "at the end")
        logged = self._lines()
        self._pause(4 * self._plan.poll_interval)
        more = self._lines() - logged
        self._report.note(f"{more} lines logged in peace")
        # A busy machine may let some polls fail.
        if more > len(self._configs.known):
            self._report.violations.append(f"{more} lines are logged while nothing happens")
        self._until_right(truth, "at the end, after a while")

    def _until_right(self, truth: Truth, when: str) -> float:
        """Wait until all is right, and return how long it took."""
        wrong = ["nothing was seen"]

        def right() -> bool:
            wrong[:] = self._observer.differences(truth, self._configs.known)
            return not wrong

        self._scrape()
        took = self._until(right, lambda: "\n".join([f"all is right {when}", *wrong[:30]]), self._plan.patience)
        self._report.judged += 1
        self._report.events = sum(events.total() for events, _ in truth.values())
        return took

    def _lines(self) -> int:
        return self._process.log.read_text().count("\n")


def soak(state: str, plan: Plan, seed: int, folder: Path) -> Report:
    """Run a soak with this kind of state. The folder keeps its logs and, of a file, the state."""
    report = Report(state, seed, plan.seconds, plan.accounts)
    with (
        STORES[state](folder) as store,
        serving(plan.names(), seed, plan.records, plan.poll_interval) as api,
    ):
        Soak(plan, store, api, folder, report).run()
    return report
