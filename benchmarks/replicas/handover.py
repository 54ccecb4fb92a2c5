"""How long it takes until another replica exposes the accounts of one that dies or ends, and which polls are lost."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accounts.api import serving
from benchmarks.accounts.lateness import lateness
from benchmarks.accounts.process import ExporterProcess
from benchmarks.replicas.database import database
from benchmarks.replicas.exporters import behaviors, config, exporters, exposed, wait_until
from benchmarks.replicas.quiet import Settings, balanced
from tests.support.postgres import Server

_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What was measured. Times are in seconds."""

    settings: Settings
    accounts: int
    """Those that the ended replica had."""
    seconds: float
    """Until the other one exposed them all."""
    polled: float
    """Until each of them was polled again."""
    polls: int
    """Those that came or were due until an interval after that."""
    lost: int
    """Polls that were more than an interval late."""
    late_max: float


def takeover(program: Path, settings: Settings, server: Server, folder: Path) -> Moved:
    """Kill one of two replicas with SIGKILL."""
    return _moved(program, settings, server, folder, ExporterProcess.kill)


def handover(program: Path, settings: Settings, server: Server, folder: Path) -> Moved:
    """End one of two replicas with SIGTERM."""
    return _moved(program, settings, server, folder, _end)


def _end(exporter: ExporterProcess) -> None:
    # The other replica is observed meanwhile.
    threading.Thread(target=exporter.end, daemon=True).start()


def _moved(
    program: Path, settings: Settings, server: Server, folder: Path, end: Callable[[ExporterProcess], None]
) -> Moved:
    with serving(behaviors(settings.records), os.sched_getaffinity(0)) as api, database(server) as state:
        configuration = config(api, settings.accounts, settings.interval, {"url": state.url()})
        with exporters(program, configuration, 2, folder) as (first, second):
            wait_until(
                lambda: (
                    len(exposed(first) | exposed(second)) == settings.accounts and balanced(state, settings.accounts, 2)
                ),
                settings.ready_within,
                "not all accounts are exposed by the one that owns them",
                (first, second),
                every=0.5,
            )
            time.sleep(2 * settings.interval)
            had = exposed(first)
            polls: defaultdict[str, list[float]] = defaultdict(list)
            for (account, _), times in api.take_polls().items():
                polls[account] = times[-1:]
            began = time.monotonic()
            end(first)
            wait_until(lambda: had <= exposed(second), _LONGEST_SECONDS, "the accounts are not exposed again", [second])
            seconds = time.monotonic() - began
            time.sleep(settings.interval + 1.0)
            ended = time.monotonic()
            for (account, _), times in api.take_polls().items():
                polls[account].extend(times)
        late = lateness([polls[account] for account in had], settings.interval, began, ended)
        lost = sum(each > settings.interval for each in late)
        again = [min((at for at in polls[account] if at >= began), default=ended) for account in had]
        return Moved(settings, len(had), seconds, max(again) - began, len(late), lost, max(late))
