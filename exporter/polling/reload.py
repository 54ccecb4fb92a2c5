"""Reload the configuration while the program runs: in a thread of its own, one reload after the other."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from exporter.config import Account, Config, ConfigError, Problem
from exporter.config.diff import Outcome
from exporter.exposition.self_metrics import SelfMetrics
from exporter.polling.running import Accounts

log = logging.getLogger(__name__)

Asked = queue.SimpleQueue[Future[Outcome]]
"""Requested reloads. Putting one in is safe at any moment, in a signal handler too."""


@dataclass(frozen=True, slots=True)
class Loading:
    """Where the configuration comes from."""

    load: Callable[[], Config]
    """Read it. Raises ConfigError."""
    file: str | None
    """The file it is read from; None for the environment, which a running program keeps as it is."""


_STOPPING = Outcome(False, "Not reloaded: the exporter is stopping.")


class Reloader:
    """Reload the configuration on request."""

    def __init__(
        self,
        asked: Asked,
        loading: Loading,
        config: Config,
        running: Accounts,
        live: SelfMetrics,
        begins: Callable[[], None] = lambda: None,
        ends: Callable[[], None] = lambda: None,
        changed: Callable[[Sequence[Account]], None] = lambda _: None,
    ) -> None:
        """Reload for `running`, which runs with `config`. Requests made before `start` are served after it.

        `begins` and `ends` are called around each reload, `changed` with the accounts of each that succeeds.
        """
        self._changed = changed
        self._begins = begins
        self._ends = ends
        self._failed: Outcome | None = None
        self._asked = asked
        self._loading = loading
        self._state = config.state_path, config.database
        self._limits = config.limits
        self._running = running
        self._live = live
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def alive(self) -> bool:
        """Return whether reloads are still served: False once the thread has ended."""
        return self._thread.ident is None or self._thread.is_alive()

    def ask(self) -> Future[Outcome]:
        """Request a reload, after those requested before."""
        future: Future[Outcome] = Future()
        self._asked.put(future)
        return future

    def _run(self) -> None:
        while True:
            future = self._asked.get()
            # Whoever requested it may have canceled it.
            if future.set_running_or_notify_cancel():
                future.set_result(self._outcome())

    def failed(self) -> Outcome | None:
        """Return how the last reload failed; None if it succeeded, or there was none."""
        return self._failed

    def _outcome(self) -> Outcome:
        """Reload, and return the outcome even if there is a bug: the next reload must be possible."""
        if self._running.stopping:
            return _STOPPING
        try:
            self._begins()
            outcome = self._reload()
        except Exception:
            log.exception("internal error")
            outcome = Outcome(
                False, "The reload failed: internal error; the log has the details. Restart the exporter."
            )
        if outcome is _STOPPING:
            return outcome
        self._failed = None if outcome.successful else outcome
        self._live.loaded(successful=outcome.successful)
        self._ends()
        return outcome

    def _reload(self) -> Outcome:
        file = self._loading.file
        if file is None:
            log.warning("nothing to reload: a running program keeps its environment, and there is no --config.file")
            return Outcome(True, "Nothing to reload: a running program keeps its environment. Restart it.")
        try:
            config = self._loading.load()
            self._check(config, file)
        except ConfigError as error:
            problems = "; ".join(str(problem) for problem in error.problems)
            log.error("reload failed: the configuration before it stays in use", extra={"err": problems})
            return Outcome(False, f"The reload failed; the configuration before it stays in use.\n{error}")
        counts = self._running.change(config.accounts).counts()
        if self._running.stopping:
            return _STOPPING
        self._changed(config.accounts)
        self._live.keep({(account.name, account.system) for account in config.accounts})
        log.info("reloaded", extra={"config": file, **counts})
        summary = ", ".join(f"{count} {what}" for what, count in counts.items())
        return Outcome(True, f"Reloaded. Accounts: {summary}.")

    def _check(self, config: Config, file: str) -> None:
        if (config.state_path, config.database) != self._state:
            message = "can't be changed while the program runs: restart it to use another state"
            raise ConfigError([Problem(file, None, "state", message)])
        if config.limits != self._limits:
            message = "can't be changed while the program runs: restart it to use other limits"
            raise ConfigError([Problem(file, None, "limits", message)])
