"""Random faults of replicas, one after another, and what they come to."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.replicas import TTL, Replica, Stage
from tests.support.walk import Deck, listed

MOST = 4
_HEALED_WITHIN = 2 * TTL + 20.0


@dataclass
class Report:
    """What has happened, in numbers, and what was against the promises."""

    actions: Counter[str] = field(default_factory=Counter)
    takeovers: int = 0
    scrapes: int = 0
    events: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        self.actions += other.actions
        self.takeovers += other.takeovers
        self.scrapes += other.scrapes
        self.events += other.events
        self.violations += other.violations

    def text(self) -> str:
        lines = [
            f"actions: {listed(self.actions)}",
            f"times that an account got an owner: {self.takeovers}",
            f"scrapes: {self.scrapes}",
            f"events: {self.events}",
            f"violations: {len(self.violations)}",
        ]
        return "\n".join([*lines, *self.violations])


class Walk:
    """Do one random thing after another to the replicas of a stage. The same seed chooses the same things."""

    def __init__(self, stage: Stage, rng: random.Random) -> None:
        self._stage = stage
        self._random = rng
        self._report = Report()
        actions = {
            "start": (3, self._start),
            "kill": (2, self._kill),
            "terminate": (2, self._terminate),
            "stop": (3, self._stop),
            "go on": (2, self._go_on),
            "cut connections": (2, self._stage.cut_connections),
            "restart database": (2, self._restart_database),
            "black hole": (3, self._black_hole),
            "end of black hole": (2, self._forward),
            "reload": (1, self._reload),
            "calm": (2, lambda: time.sleep(3.0)),
        }
        self._deck = Deck(rng, actions)

    def run(self, seconds: float) -> Report:
        """Let faults happen for so long, and check all at the end, and now and then before."""
        report, stage = self._report, self._stage
        stage.fresh(2)
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until and not report.violations:
                for _ in range(self._random.randint(3, 8)):
                    self._deck.act(self._report.actions)
                    time.sleep(self._random.choice([0.0, 0.2, 0.7, 1.5, 4.0]))
                    if time.monotonic() > until:
                        break
                self._heal()
                report.violations += stage.wrong()
        except AssertionError as error:
            report.violations.append(str(error))
        report.takeovers = stage.takeovers()
        report.scrapes = len(stage.scrapes)
        report.events = sum(api.events().total() for api in stage.apis.values())
        if report.violations:
            report.violations.append(stage.report())
        return report

    def _heal(self) -> None:
        """End all faults. Then each account has its owner, whatever was before."""
        for replica in self._live:
            if replica.stopped:
                replica.go_on()
            if replica.proxy is not None:
                replica.proxy.forward()
        while len(self._live) < 2:
            self._start()
        self._stage.note("all faults are over")
        self._stage.until(lambda: self._stage.exposed_by(*self._live), "that all accounts are exposed", _HEALED_WITHIN)

    @property
    def _live(self) -> list[Replica]:
        return [replica for replica in self._stage.replicas if replica.alive]

    def _one(self, condition: Callable[[Replica], bool] = lambda replica: True) -> Replica | None:
        found = [replica for replica in self._live if condition(replica)]
        return self._random.choice(found) if found else None

    def _start(self) -> None:
        if len(self._live) < MOST:
            self._stage.start(proxy=True)

    def _kill(self) -> None:
        if replica := self._one():
            self._stage.note(f"kill {replica.name}")
            replica.kill()

    def _terminate(self) -> None:
        if replica := self._one(lambda replica: not replica.stopped):
            self._stage.note(f"terminate {replica.name}")
            status = replica.terminate()
            # While its modules load, a signal ends it as it ends any program.
            if status and replica.log.read_text():
                self._report.violations.append(f"{replica.name} ends with exit status {status}")

    def _stop(self) -> None:
        if replica := self._one(lambda replica: not replica.stopped):
            self._stage.note(f"stop {replica.name}")
            replica.stop()

    def _go_on(self) -> None:
        if replica := self._one(lambda replica: replica.stopped):
            self._stage.note(f"{replica.name} goes on")
            replica.go_on()

    def _restart_database(self) -> None:
        self._stage.restart_database(self._random.choice([0.0, self._random.uniform(1.0, 8.0)]))

    def _black_hole(self) -> None:
        if replica := self._one():
            directions = self._random.choice([("requests",), ("answers",), ("requests", "answers")])
            self._stage.note(f"black hole of {' and '.join(directions)} of {replica.name}")
            assert replica.proxy is not None
            replica.proxy.hold(*directions)

    def _forward(self) -> None:
        if replica := self._one():
            self._stage.note(f"no black hole of {replica.name}")
            assert replica.proxy is not None
            replica.proxy.forward()

    def _reload(self) -> None:
        """Let one have another configuration, which then counts; later reloads bring it to the others, or another."""
        if replica := self._one(lambda replica: not replica.stopped):
            stuck_after = self._random.choice(["1h", "2h"])
            self._stage.note(f"{replica.name} has stuck_after {stuck_after}")
            replica.reload({**replica.settings, "stuck_after": stuck_after})
