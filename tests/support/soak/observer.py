"""What is seen of a soak from outside: scrapes, logs, and what the process uses. It is judged here."""

import contextlib
import http.client
import os
import re
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import psycopg

from tests.support.canaries import holds
from tests.support.handovers import accounts_in, differences
from tests.support.moving_world import figures_by_account
from tests.support.replicas import Replica, words
from tests.support.soak.configuration import collectors
from tests.support.soak.flatness import Sample, fits, used
from tests.support.soak.increases import Increases
from tests.support.soak.report import Report
from tests.support.soak.stores import Store
from tests.support.soak.worlds import Truth

_PAGES = ("/", "/failures?format=json", "/-/ready", "/-/healthy")
_PAGES_EVERY = 5
_TIMEOUT_SECONDS = 60.0
_FINISHED = "_finished_total"
_READ = re.compile(r'^batch_exporter_backfilling\{account="([^"]+)",.*\} 0\.0$', re.MULTILINE)
_NOT_UP = re.compile(r"^batch_exporter_(?:up|config_last_reload_successful)\b.* 0\.0$", re.MULTILINE)
_ERRORS = re.compile(r"^(batch_exporter_poll_errors_total\{.*\}) (\S+)$", re.MULTILINE)
_REASON = re.compile(r'^batch_exporter_poll_errors_total\{.*reason="(\w+)"')


class Wrong(Exception):
    """A promise was broken so that there is no going on."""


class Observer:
    """Looks at the processes of a soak, one after the other."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self._report = report
        self._page = ""
        self._increases = Increases()
        self._errors = Increases()
        """Of failed polls for reasons of the state, which each program counts from 0."""

    def begin(self) -> None:
        """Note that another process begins: what the one before showed is over."""
        self._page = ""

    def scrape(self, process: Replica, served: bool) -> bool:
        """Scrape a process, and now and then look at its other pages. Return whether it answered.

        It must answer if it has `served` before.
        """
        try:
            answer = process.get("/metrics", timeout=_TIMEOUT_SECONDS)
            if self._report.scrapes % _PAGES_EVERY == 0:
                pages = "".join(process.get(page, timeout=_TIMEOUT_SECONDS) for page in _PAGES)
                self.look_for_secrets("a page", pages.encode())
        except (OSError, http.client.HTTPException) as error:
            if served:
                self._report.violations.append(f"a scrape fails: {error!r}")
            return False
        self._report.scrapes += 1
        self._page = answer
        self.look_for_secrets("a scrape", answer.encode())
        if not answer.startswith("200 "):
            raise Wrong(f"a scrape is answered with {answer[:200]}")
        self._take(answer)
        return True

    def _take(self, page: str) -> None:
        self._increases.take({s: v for values in accounts_in(page).values() for s, v in values.items()})
        errors = {series: float(value) for series, value in _ERRORS.findall(page)}
        if any(value and 'reason="internal"' in series for series, value in errors.items()):
            raise Wrong("a poll failed with an internal error")
        of_state = {series for series in errors if 'reason="state' in series}
        self._errors.take({series: errors[series] for series in of_state})
        self._increases.take({series: errors[series] for series in errors.keys() - of_state})

    def read(self) -> list[str]:
        """Return the accounts that the last scrape shows to be read once."""
        lists = Counter(_READ.findall(self._page))
        return [account for account, count in lists.items() if count == len(collectors(account))]

    def sample(self, process: Replica, logged_before: int, records: int) -> None:
        """Measure what a process uses. `logged_before`: the bytes in the logs of those before; `records`: all made."""
        # The database may be down.
        with contextlib.suppress(OSError, psycopg.Error):
            sizes = self._store.sizes()
            logged = logged_before + process.log.stat().st_size
            used_now = used(process.process.pid)
            self._report.samples.append(Sample(time.monotonic(), *used_now, *sizes, logged, records))

    def note_cpu(self, process: Replica) -> None:
        """Add what a process has spent, which is not known any more once it has ended."""
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
            self._report.cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def look_for_secrets(self, where: str, content: bytes) -> None:
        if holds(content, "soak"):
            self._report.violations.append(f"a secret is in {where}")

    def differences(self, truth: Truth, accounts: Collection[str]) -> list[str]:
        """Return how the last scrape, and the increases over all, differ from the worlds."""
        events = {account: words(counted) for account, (counted, _) in truth.items()}
        gauges = {account: words(standing) for account, (_, standing) in truth.items()}
        found = [f"{account} is not exposed" for account in sorted(set(accounts) - set(accounts_in(self._page)))]
        found += _NOT_UP.findall(self._page)
        for what, expected, page, ending in (
            ("exposed", events, self._page, _FINISHED),
            ("increase", events, self._increases.page(), _FINISHED),
            ("gauge", gauges, self._page, ""),
        ):
            counted = {account: words(values) for account, values in figures_by_account(page, ending).items()}
            found += [f"{what}: {difference}" for difference in differences(expected, counted)]
        return found

    def look_at_the_end(self, processes: Collection[Replica]) -> None:
        """Judge what was used and counted in all the time, and the logs and the state."""
        report = self._report
        report.series = self._page.count("\n")
        report.violations += self._increases.falls[:10]
        for series, value in {**self._increases.total, **self._errors.total}.items():
            if found := _REASON.search(series):
                report.failed_polls[found[1]] += int(value)
        report.fits = fits(report.samples)
        report.violations += [f"not flat: {fit.text()}" for fit in report.fits if not fit.flat]
        for process in processes:
            log = process.log.read_text(errors="replace")
            report.count(log.splitlines())
            self.look_for_secrets(process.log.name, log.encode())
            if "Traceback" in log:
                report.violations.append(f"a traceback in {process.log}")
        self.look_for_secrets("the state", self._store.content())
