"""What is wrong, in words that say what to do; the worst comes first. Pure: from a snapshot to sentences."""

from collections.abc import Iterable, Iterator, Sequence
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

    do: str
    alert: str = "BatchExporterPollFailing"


ADVICE = {
    Reason.AUTH: Advice(
        "Make a new token with the vendor and put it where api_token_file points: it is read again by itself. "
        "Leave a collector that the token may not read out of collectors.",
        "BatchExporterAuthRefused",
    ),
    Reason.RATE_LIMITED: Advice(
        "Lower max_requests_per_second, or make poll_interval longer. Does another program use the same account?",
        "BatchExporterRateLimited",
    ),
    Reason.CLIENT_ERROR: Advice("See whether base_url and filters of the account are right."),
    Reason.SERVER_ERROR: Advice("It is the vendor's trouble: see its status page. Polls go on by themselves."),
    Reason.TIMEOUT: Advice(
        "See the vendor's status page. If others can use the API: a longer request_timeout, or a smaller page_size."
    ),
    Reason.CONNECTION: Advice(f"See to name resolution, the firewall and proxy_url of this machine. {_CHECK}"),
    Reason.TLS: Advice("See to tls_config, this machine's clock and its certificate authorities."),
    Reason.MALFORMED: Advice("Something else than the API answers, a proxy's page say, or the API has changed."),
    Reason.TOO_LARGE: Advice("Make page_size smaller, and see who answers: no page of a list is that large."),
    Reason.STATE: Advice(
        "Do what the message says. Until then nothing is counted, so that nothing is counted twice.",
        "BatchExporterStateNotWritable",
    ),
    Reason.INTERNAL: Advice(
        "The log has the details: report them with the version. If it began with an update, take the version before.",
        "BatchExporterInternalError",
    ),
}
_FEW = 5
"""Mistakes of a configuration that are listed; the log has all."""
_UNKNOWN = Advice("The exporter's log has the details.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or not ready yet. All of it is text, some of it from outside."""

    level: Literal["bad", "warn", "note"]
    what: str
    why: Sequence[str] = ()
    do: str = ""
    alert: str = ""
    """Whose runbook says more."""
    account: str = ""
    """Whose failed records show more."""


def problems(
    snapshot: Snapshot, now: float, ticks: float, *, healthy: bool, reload_failed: Outcome | None = None
) -> list[Problem]:
    """All problems. `now` is in epoch seconds, `ticks` in seconds of `exporter.exposition.boot_clock`."""
    collectors = snapshot.collectors
    return [
        *_dead(healthy),
        *_failing(collectors, now, ticks),
        *(_overdue(one, now) for one in collectors if one.health.up and one.health.ready and one.fresh_until < ticks),
        *_not_reloaded(reload_failed),
        *_failures(collectors, now),
        *_reading(collectors),
    ]


def _dead(healthy: bool) -> Iterator[Problem]:
    if not healthy:
        yield Problem(
            "bad",
            "A poll loop has ended: its collector is not polled any more.",
            do="Restart the exporter. Its log says why (a thread has died): report that with the version.",
            alert="BatchExporterInternalError",
        )


def _not_reloaded(failed: Outcome | None) -> Iterator[Problem]:
    if failed is not None:
        why, *mistakes = failed.message.splitlines()
        if len(mistakes) > _FEW:
            mistakes = [*mistakes[:_FEW], f"And {len(mistakes) - _FEW} more."]
        yield Problem(
            "bad",
            "The last reload failed.",
            [why, *mistakes],
            "Fix the configuration file (batch-exporter check finds all mistakes), and reload again.",
            "BatchExporterConfigReloadFailed",
        )


def _failing(collectors: Iterable[CollectorSnapshot], now: float, ticks: float) -> Iterator[Problem]:
    """Collectors of an account that fail alike are one problem: a token that is refused is refused to all.

    Those of which there are no metrics any more come first.
    """
    alike: dict[tuple[object, ...], list[CollectorSnapshot]] = {}
    for one in collectors:
        if one.health.up is False:
            alike.setdefault((one.account, one.health.reason, one.health.error), []).append(one)
    for some in sorted(alike.values(), key=lambda some: any(one.fresh_until >= ticks for one in some)):
        health = some[0].health
        advice = _UNKNOWN if health.reason is None else ADVICE[health.reason]
        what = f"{some[0].account}: polls of {_names(some)} fail."
        why = [one for one in (health.error, _shown(some, now, ticks)) if one]
        yield Problem("bad", what, why, advice.do, advice.alert)


def _shown(some: Sequence[CollectorSnapshot], now: float, ticks: float) -> str:
    """What has become of their metrics."""
    last = [one.health.last_success for one in some if one.health.last_success is not None]
    if not last:
        return "No poll has ever succeeded, so there are no metrics."
    fate = "stand still" if any(one.fresh_until >= ticks for one in some) else "are withdrawn"
    return f"The metrics {fate}: the last success was {age(now - min(last))} ago."


def _overdue(one: CollectorSnapshot, now: float) -> Problem:
    ago = "long" if one.health.last_success is None else age(now - one.health.last_success)
    return Problem(
        "bad",
        f"{one.account}: no poll of {one.collector} has ended for too long.",
        [f"The last one succeeded {ago} ago: its metrics are withdrawn."],
        "Its log says how far it has come. A shorter lookback, a higher max_requests_per_second or a longer "
        "stale_after may be what the account needs.",
        "BatchExporterDataStale",
    )


def _failures(collectors: Iterable[CollectorSnapshot], now: float) -> Iterator[Problem]:
    counts: dict[str, Count] = {}
    for one in collectors:
        counts[one.account] = counts.get(one.account, Count()) + recent_failures(one, now)
    for account, count in counts.items():
        if count.records:
            records = "1 record has" if count.records == 1 else f"{count} records have"
            yield Problem("warn", f"{account}: {records} failed in the last {RECENT.name}.", account=account)


def _reading(collectors: Iterable[CollectorSnapshot]) -> Iterator[Problem]:
    accounts: dict[str, list[CollectorSnapshot]] = {}
    for one in collectors:
        if not one.health.ready and one.health.up is not False:
            accounts.setdefault(one.account, []).append(one)
    for account, some in accounts.items():
        read = sum(one.health.finished + one.health.in_flight for one in some)
        yield Problem(
            "note",
            f"{account}: the window of {_names(some)} is being read for the first time.",
            [f"{read:,} records so far. There are metrics once it is done; a restart goes on where it was."],
        )


def _names(some: Iterable[CollectorSnapshot]) -> str:
    return ", ".join(one.collector for one in some)
