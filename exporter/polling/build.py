"""Build the pipeline of an account, from its configuration to pollers that publish. Nothing is started here."""

import functools
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from exporter.client import Client, RequestMeter, Runner
from exporter.client.client import Access
from exporter.client.idle_connections import IdleConnections
from exporter.client.memory_budget import MemoryBudget
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import FileTransport, RequestLimits, Transport
from exporter.config import Account, Bounds, TokenError
from exporter.exposition.boot_clock import ticks
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.family import Family, with_bounds
from exporter.model.record import FetchError, Reason
from exporter.polling.collector import Collector, Limits, boot
from exporter.polling.limiters import Limiters
from exporter.polling.limiters import limiter as new_limiter
from exporter.polling.poller import Poller
from exporter.polling.publisher import Output, Pace
from exporter.polling.supervisor import AccountPipeline
from exporter.state import State
from exporter.systems import Source
from exporter.systems.base import Listing, Options

MakeRunner = Callable[[str, threading.Event], Runner]
"""Return what the client of an account waits and calls with, until the event is set."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all accounts share."""

    state: State
    store: SnapshotStore
    live: SelfMetrics
    runner: MakeRunner
    requests: RequestLimits = field(default_factory=RequestLimits)
    clock: Callable[[], float] = time.time
    """Epoch seconds."""
    families: dict[tuple[str, tuple[float, ...] | None], tuple[tuple[Family, ...], Rules]] = field(default_factory=dict)
    """The families, and what changes count in them, by system and chosen bounds of histograms."""
    limiters: Limiters = field(default_factory=Limiters)


def request_limits(bounds: Bounds) -> RequestLimits:
    """Return what the requests of all accounts share, within these bounds."""
    # A connection that was idle while the machine was suspended is as old as any.
    idle = IdleConnections(bounds.idle_connections, ticks)
    return RequestLimits(MemoryBudget(bounds.answer_bytes), idle, bounds.response_bytes)


def client(
    account: Account,
    source: Source,
    meter: RequestMeter,
    runner: Runner,
    limiter: RateLimiter | None = None,
    limits: RequestLimits | None = None,
) -> Client:
    """Build the client that all collectors of the account share: one rate limit, one set of connections."""

    def token() -> str:
        try:
            return account.token.read()
        except TokenError as error:
            raise FetchError(Reason.AUTH, str(error)) from None

    return Client(
        Access(
            account.base_url,
            source.system.token_header,
            token,
            account.request_timeout,
            source.refused,
            account.token.is_file,
            account.name,
        ),
        Transport(account.tls_config, _proxy(account), limits=limits),
        limiter or new_limiter(account),
        meter,
        runner,
    )


def file_transport(account: Account) -> FileTransport:
    """Build the transport for files on other hosts: the same proxy, but no token or client certificate."""
    tls = replace(account.tls_config, cert_file=None, key_file=None, server_name=None)
    return FileTransport(tls, _proxy(account), urlsplit(account.base_url).hostname or "")


def _proxy(account: Account) -> str | None:
    return None if account.proxy_url is None else account.proxy_url.get_secret_value()


RECONCILE_SHARE = 0.1
"""The share of an account's requests that may be spent on reconciliation."""


def account_pipeline(
    account: Account, sources: Mapping[str, Source], shared: Shared, known: Iterable[CollectorStatus] = ()
) -> AccountPipeline:
    """Build the pipeline of an account, with a poller for each of its collectors.

    `known` is the status of each poller before a reload.
    """
    over = threading.Event()
    source = sources[account.system]
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    listings = {name: source.listing(name, options) for name in account.collectors}
    meter = shared.live.meter(account.name, account.system)
    meter.expect(endpoint for listing in listings.values() for endpoint in endpoints(listing))
    runner = shared.runner(account.name, over)
    limiter, continues = shared.limiters.made(account)
    if not continues:
        # The facts learned about another API or token do not apply to this one.
        meter.stated_limit.forget()
    meter.stated_limit.paused_for = limiter.paused_for
    meter.stated_limit.keep = max(account.polling(name).stale_after for name in account.collectors)
    api_client = client(account, source, meter, runner, limiter, shared.requests)
    output = Output(
        functools.partial(shared.store.publish, unless=over.is_set),
        lambda: shared.store.last_scrape,
        account.created_timestamps,
    )
    scope = json.dumps([account.base_url, account.filters], sort_keys=True)
    status_by_name = {status.collector: status.going_on() for status in known if status.system == account.system}

    def poller(name: str) -> Poller:
        polling = account.polling(name)
        families, rules = _families(source, polling.duration_buckets, shared)
        collector = Collector(
            listings[name],
            families,
            limits(account, listings[name]),
            scope,
            account.name,
            labels="workflow" if account.workflow_label and _has_optional_labels(source, name) else "",
            boot=boot(),
            rules=rules,
        )
        return Poller(
            collector,
            api_client,
            shared.state,
            output,
            status_by_name.get(name)
            or CollectorStatus(account.name, account.system, name, stuck_alert=source.system.stuck_alert),
            Pace(polling.poll_interval, polling.stale_after, polling.stuck_after, account.webhook is not None),
            account.workflow_label,
            shared.clock,
            token_stamp=functools.partial(runner.read, account.token.stamp) if account.token.is_file else None,
        )

    return AccountPipeline(account, tuple(map(poller, account.collectors)), over, api_client.close)


def limits(account: Account, listing: Listing) -> Limits:
    """Return what a collector may read. Each has the same share of the account's requests."""
    polling = account.polling(listing.name)
    budget = account.max_requests_per_second * polling.poll_interval / len(account.collectors)
    naming = listing.batch_ids_from
    return Limits(
        polling.lookback,
        polling.reconcile_interval,
        polling.in_flight_max_age,
        polling.page_size,
        max(1, int(RECONCILE_SHARE * budget)),
        polling.stale_after,
        0.0 if naming is None else account.polling(naming).poll_interval,
        0.0 if account.webhook is None else polling.poll_interval,
    )


def _families(source: Source, bounds: tuple[float, ...] | None, shared: Shared) -> tuple[tuple[Family, ...], Rules]:
    """Return the families of a system with these bounds of histograms, the same ones for all collectors with them."""
    key = source.system.name, bounds
    if key not in shared.families:
        families = with_bounds(source.families, bounds)
        shared.families[key] = families, Rules.of(families)
    return shared.families[key]


def endpoints(listing: Listing) -> set[str]:
    """Return the endpoints that a collector requests: its list, and single records."""
    return {request.endpoint for request in (listing.page(1, 1), *listing.requests_by_id(["id"]))}


def _has_optional_labels(source: Source, collector: str) -> bool:
    return any(family.optional and collector in family.zeros for family in source.families)
