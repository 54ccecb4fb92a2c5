"""Log a collector's polls: changes at once, and lasting conditions once an hour."""

import logging
from collections.abc import Callable, Mapping

from exporter.model.record import Reason
from exporter.polling.collector import PollResult
from exporter.polling.notices import AGAIN_SECONDS, Notices

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 10.0
"""How often the progress of a backfill is logged."""

MOST_RECOVERIES = 5
"""How often in an hour a collector is logged as recovered: polls may fail now and then for days."""

_FAILED = "poll failed"


class PollLog:
    """The log of one collector's polls."""

    def __init__(self, where: Mapping[str, str], ticks: Callable[[], float]) -> None:
        """Log with `where` as fields, which name the collector. `ticks` is in seconds."""
        self._where = where
        self._ticks = ticks
        self._notices = Notices()
        self._failing: set[Reason] = set()
        """Why polls have failed since `recovered` was logged."""
        self._succeeding_since: float | None = None
        """When the first poll succeeded after the last one that failed, if `recovered` is still to be logged."""
        self._recovered: list[float] = []
        """When it was logged within the last hour."""
        self._progress_at = ticks()

    def succeeded(self) -> None:
        """Note a poll that succeeded. Where polls fail now and then, they have not recovered."""
        now = self._ticks()
        if not self._failing:
            return
        self._succeeding_since = now if self._succeeding_since is None else self._succeeding_since
        self._recovered = [at for at in self._recovered if now - at < AGAIN_SECONDS]
        if len(self._recovered) >= MOST_RECOVERIES:
            return
        late = round(now - self._succeeding_since, 1)
        log.info("recovered", extra={**self._where, "seconds": late} if late else self._where)
        self._recovered.append(now)
        for reason in self._failing:
            self._notices.end((_FAILED, reason))
        self._failing.clear()
        self._succeeding_since = None

    def failed(self, reason: Reason, message: str) -> None:
        """Note a poll that failed. Each reason is logged once an hour, even if reasons alternate.

        At level debug each poll is logged.
        """
        self._failing.add(reason)
        self._succeeding_since = None
        polls = self._notices.note((_FAILED, reason), self._ticks())
        extra = {**self._where, "reason": reason.value, "err": message}
        if polls > 1:
            extra["polls"] = str(polls)
        log.log(logging.ERROR if polls else logging.DEBUG, _FAILED, extra=extra)

    def broke(self, error: Exception) -> None:
        """Note an error of the program itself, which is being handled. Its traceback is logged once an hour."""
        if self._notices.note((type(error), str(error)), self._ticks()):
            log.exception("internal error", extra=self._where)

    def progress(self, records: int) -> None:
        """Note how many records a backfill has read so far."""
        if self._ticks() - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = self._ticks()
            log.info("backfill in progress", extra={**self._where, "records": records})

    def found(self, result: PollResult) -> None:
        """Note what a poll found, successful or not."""
        result.log(self._where, self._notices, self._ticks())

    def polled(self, up: bool, seconds: float, answers: int, next_in: float) -> None:
        """Note the end of a poll, with its duration, its usable answers, and the seconds until the next one."""
        extra = {"up": up, "seconds": round(seconds, 3), "answers": answers, "next_in": round(next_in, 1)}
        log.debug("polled", extra={**self._where, **extra})
