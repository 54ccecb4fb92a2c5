"""List what is wrong, the worst first, each with its fix. Pure: from a snapshot to sentences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from exporter.config.diff import Outcome
from exporter.exposition.snapshot import CollectorSnapshot, Snapshot
from exporter.model.record import Reason
from exporter.web.pages.html import age
from exporter.web.pages.recent_failures import RECENT, Count, recent_failures

_CHECK = "batch-exporter check --online tries every account's token and network."


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about polls that fail for one reason."""

    fix: str
    alert: str = "BatchExporterPollFailing"


ADVICE = {
    Reason.AUTH: Advice(
        "Create a new token with the vendor and put it where api_token_file points: the exporter rereads it by itself. "
        "If the token may not read a collector, remove that collector from collectors.",
        "BatchExporterAuthRefused",
    ),
    Reason.RATE_LIMITED: Advice(
        "Lower max_requests_per_second or raise poll_interval. Check whether another program uses the same account.",
        "BatchExporterRateLimited",
    ),
    Reason.CLIENT_ERROR: Advice("Check the account's base_url and filters."),
    Reason.SERVER_ERROR: Advice("The API is failing: check the vendor's status page. Polling retries by itself."),
    Reason.TIMEOUT: Advice(
        "Check the vendor's status page. If the API works for others, raise request_timeout or lower page_size."
    ),
    Reason.CONNECTION: Advice(f"Check name resolution, the firewall and proxy_url on this machine. {_CHECK}"),
    Reason.TLS: Advice("Check tls_config, this machine's clock and its certificate authorities."),
    Reason.MALFORMED: Advice(
        "Check whether something else answers, such as a proxy's page, or whether the API has changed."
    ),
    Reason.TOO_LARGE: Advice("Lower page_size, and check what answers: no page of a list is that large."),
    Reason.STATE: Advice(
        "Do what the message says. Until then nothing is counted, so that nothing is counted twice.",
        "BatchExporterStateNotWritable",
    ),
    Reason.STATE_LOCKED: Advice(
        "End the program that has locked the state file, such as sqlite3 with an open transaction, or a backup. The "
        "disk is not at fault. Until then nothing is counted, so that nothing is counted twice.",
        "BatchExporterStateLocked",
    ),
    Reason.INTERNAL: Advice(
        "Internal error: report the traceback in the log with the version. If it began with an update, go back to the "
        "version before.",
        "BatchExporterInternalError",
    ),
}
_UNKNOWN = Advice("See the exporter's log for the reason.")
_MOST_ERRORS = 5
"""The number of configuration errors that are listed. The log has all."""
_MOST_ACCOUNTS = 5
"""The number of accounts that are listed for one cause. Each has its row in the table below."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, or not ready yet. All of it is text, some of it from outside."""

    level: Literal["bad", "warn", "note"]
    summary: str
    details: Sequence[str] = ()
    fix: str = ""
    alert: str = ""
    """The alert whose runbook says more."""
    account: str = ""
    """The account whose failed records show more."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The text in its order: summary, details, fix."""
        return self.summary, *self.details, *([self.fix] if self.fix else [])


def problems(
    snapshot: Snapshot, now: float, ticks: float, *, healthy: bool, reload_failed: Outcome | None = None
) -> list[Problem]:
    """Return all problems. `now` is in epoch seconds, `ticks` in seconds of `exporter.exposition.boot_clock`."""
    collectors = snapshot.collectors
    return [
        *_dead(healthy),
        *_failing(collectors, now, ticks),
        *(_overdue(collector, now) for collector in collectors if _is_overdue(collector, ticks)),
        *_not_reloaded(reload_failed),
        *_stuck(collectors, now, ticks),
        *_failures(collectors, now),
        *_reading(collectors),
    ]


def _dead(healthy: bool) -> Iterator[Problem]:
    if not healthy:
        yield Problem(
            "bad",
            "A poll loop has ended: its collector is no longer polled.",
            fix="Restart the exporter. Report the traceback in the log (a thread has died) with the version.",
            alert="BatchExporterInternalError",
        )


def _not_reloaded(failed: Outcome | None) -> Iterator[Problem]:
    if failed is not None:
        message, *errors = failed.message.splitlines()
        if len(errors) > _MOST_ERRORS:
            errors = [*errors[:_MOST_ERRORS], f"And {len(errors) - _MOST_ERRORS} more."]
        yield Problem(
            "bad",
            "The last reload failed.",
            [message, *errors],
            "Fix the configuration file (batch-exporter check lists all errors), and reload again.",
            "BatchExporterConfigReloadFailed",
        )


def _failing(collectors: Iterable[CollectorSnapshot], now: float, ticks: float) -> Iterator[Problem]:
    """Yield one problem for all collectors that fail alike: one cause may stop the polls of many accounts.

    Those whose metrics were dropped come first.
    """
    alike: dict[tuple[object, ...], list[CollectorSnapshot]] = {}
    for group in _by_account(c for c in collectors if c.status.up is False).values():
        for collector in group:
            same = [c for c in group if _cause(c) == _cause(collector)]
            # An account's collectors stay together, though some of them may be fresh.
            alike.setdefault((*_cause(collector), _any_fresh(same, ticks)), []).append(collector)
    for group in sorted(alike.values(), key=lambda group: _any_fresh(group, ticks)):
        status = group[0].status
        advice = _UNKNOWN if status.reason is None else ADVICE[status.reason]
        accounts = [f"{account}: {_names(of_account)}" for account, of_account in _by_account(group).items()]
        if len(accounts) == 1:
            summary, listed = f"{group[0].account}: polls of {_names(group)} fail.", []
        else:
            summary, listed = f"{len(accounts):,} accounts: polls fail.", accounts[:_MOST_ACCOUNTS]
            if len(accounts) > _MOST_ACCOUNTS:
                listed.append(f"And {len(accounts) - _MOST_ACCOUNTS:,} more.")
        details = [text for text in (status.error, *listed, _metrics_state(group, now, ticks)) if text]
        yield Problem("bad", summary, details, advice.fix, advice.alert)


def _cause(collector: CollectorSnapshot) -> tuple[Reason | None, str | None]:
    return collector.status.reason, collector.status.error


def _metrics_state(group: Sequence[CollectorSnapshot], now: float, ticks: float) -> str:
    times = [collector.status.last_success for collector in group if collector.status.last_success is not None]
    if not times:
        return "No poll has ever succeeded, so there are no metrics."
    state = "keep their last values" if _any_fresh(group, ticks) else "are stale and dropped"
    return f"The metrics {state}: the last poll that succeeded was {age(now - min(times))} ago."


def _any_fresh(group: Iterable[CollectorSnapshot], ticks: float) -> bool:
    return any(collector.fresh_until >= ticks for collector in group)


def _is_overdue(collector: CollectorSnapshot, ticks: float) -> bool:
    return bool(collector.status.up and not collector.status.backfilling and collector.fresh_until < ticks)


def _overdue(collector: CollectorSnapshot, now: float) -> Problem:
    last = collector.status.last_success
    ago = "long" if last is None else age(now - last)
    return Problem(
        "bad",
        f"{collector.account}: no poll of {collector.collector} has ended within stale_after.",
        [f"The metrics are stale and dropped: the last poll that succeeded was {ago} ago."],
        "See the log for the poll's progress. The account may need a shorter lookback, a higher "
        "max_requests_per_second or a longer stale_after.",
        "BatchExporterDataStale",
    )


def _stuck(collectors: Iterable[CollectorSnapshot], now: float, ticks: float) -> Iterator[Problem]:
    """Yield one problem for each account. Like the metric, a count is dropped when it is stale."""
    stuck = (collector for collector in collectors if collector.status.stuck and collector.fresh_until >= ticks)
    for account, group in _by_account(stuck).items():
        count = sum(collector.status.stuck for collector in group)
        records = "1 record is" if count == 1 else f"{count:,} records are"
        summary = f"{account}: {records} stuck, in flight for longer than stuck_after."
        fix = (
            "Check the status pages of the vendor and of the destinations. If only a few records are stuck, look at "
            "them with batch-exporter inspect, and give their IDs to the vendor's support. If records take this long "
            "by nature, raise stuck_after."
        )
        yield Problem(
            "warn", summary, [_stuck_detail(collector, now) for collector in group], fix, group[0].status.stuck_alert
        )


def _stuck_detail(collector: CollectorSnapshot, now: float) -> str:
    oldest = collector.status.oldest_in_flight
    since = "" if oldest is None else f", the oldest for {age(now - oldest)}"
    ids = collector.status.stuck_ids
    named = f" ({', '.join(ids)})" if ids else ""
    return f"{collector.collector}: {collector.status.stuck:,}{since}{named}."


def _failures(collectors: Iterable[CollectorSnapshot], now: float) -> Iterator[Problem]:
    for account, group in _by_account(collectors).items():
        count = sum((recent_failures(collector, now) for collector in group), Count())
        if count.records:
            records = "record" if str(count) == "1" else "records"
            yield Problem("warn", f"{account}: {count} {records} failed in the last {RECENT}.", account=account)


def _reading(collectors: Iterable[CollectorSnapshot]) -> Iterator[Problem]:
    reading = (c for c in collectors if c.status.backfilling and c.status.up is not False)
    for account, group in _by_account(reading).items():
        read = sum(collector.status.finished + collector.status.in_flight for collector in group)
        yield Problem(
            "note",
            f"{account}: the first backfill of {_names(group)} is in progress.",
            [f"{read:,} records so far. Metrics appear when it is complete. A restart continues where it was."],
        )


def _by_account(collectors: Iterable[CollectorSnapshot]) -> Mapping[str, list[CollectorSnapshot]]:
    accounts: dict[str, list[CollectorSnapshot]] = {}
    for collector in collectors:
        accounts.setdefault(collector.account, []).append(collector)
    return accounts


def _names(group: Iterable[CollectorSnapshot]) -> str:
    return ", ".join(collector.collector for collector in group)
