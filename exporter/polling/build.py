"""Build the pipeline of an account, from its configuration to pollers that publish. Nothing is started here."""

import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from exporter.client import Client, RequestMeter, Runner
from exporter.client.client import Access
from exporter.client.idle_connections import IdleConnections
from exporter.client.memory_budget import MemoryBudget
from exporter.client.rate_limit import RateLimiter
from exporter.client.transport import FileTransport, RequestLimits, Tls, Transport
from exporter.config import Account, Bounds, TokenError
from exporter.config.token import Token
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.status import CollectorStatus
from exporter.model.accounting import Rules
from exporter.model.record import FetchError, Reason
from exporter.polling.collector import Collector, Limits, boot
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
    board: SnapshotStore
    live: SelfMetrics
    runner: MakeRunner
    requests: RequestLimits = field(default_factory=RequestLimits)
    clock: Callable[[], float] = time.time
    """Epoch seconds."""
    rules: dict[str, Rules] = field(default_factory=dict)
    """What changes count, by system."""
    limiters: dict[str, tuple[str, Token, RateLimiter]] = field(default_factory=dict)
    """The base_url, token and rate limiter of each account, by name: a pause requested by the API outlives a reload."""


def request_limits(bounds: Bounds) -> RequestLimits:
    """Return what the requests of all accounts share, within these bounds."""
    return RequestLimits(
        MemoryBudget(bounds.answer_bytes), IdleConnections(bounds.idle_connections), bounds.response_bytes
    )


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

    tls = account.tls_config
    proxy = account.proxy_url
    return Client(
        Access(
            account.base_url,
            source.system.token_header,
            token,
            account.request_timeout,
            source.refused,
            account.token.is_file,
        ),
        Transport(
            Tls(
                _path(tls.ca_file), _path(tls.cert_file), _path(tls.key_file), tls.server_name, tls.insecure_skip_verify
            ),
            None if proxy is None else proxy.get_secret_value(),
            limits=limits,
        ),
        limiter or _limiter(account),
        meter,
        runner,
    )


def file_transport(account: Account) -> FileTransport:
    """Build the transport for files on other hosts: the same proxy, but no token or client certificate."""
    tls = account.tls_config
    proxy = account.proxy_url
    return FileTransport(
        Tls(_path(tls.ca_file), insecure_skip_verify=tls.insecure_skip_verify),
        None if proxy is None else proxy.get_secret_value(),
        urlsplit(account.base_url).hostname or "",
    )


RECONCILE_SHARE = 0.1
"""The share of an account's requests that may be spent on reconciliation."""


def account_pipeline(
    account: Account, sources: Mapping[str, Source], shared: Shared, known: Iterable[CollectorStatus] = ()
) -> AccountPipeline:
    """Build the pipeline of an account, with a poller for each of its collectors.

    `known` is the facts of the pollers before a reload.
    """
    over = threading.Event()
    source = sources[account.system]
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    listings = {name: source.listing(name, options) for name in account.collectors}
    meter = shared.live.meter(account.name, account.system)
    meter.expect(endpoint for listing in listings.values() for endpoint in _endpoints(listing))
    runner = shared.runner(account.name, over)
    api_client = client(account, source, meter, runner, _continued_limiter(account, shared), shared.requests)
    budget = account.max_requests_per_second * account.poll_interval / len(account.collectors)
    limits = Limits(
        account.lookback,
        account.reconcile_interval,
        account.in_flight_max_age,
        account.page_size,
        max(1, int(RECONCILE_SHARE * budget)),
        account.stale_after,
    )
    scope = json.dumps([account.base_url, account.filters], sort_keys=True)
    facts_by_name = {facts.collector: facts.going_on() for facts in known if facts.system == account.system}
    rules = shared.rules.get(account.system) or shared.rules.setdefault(account.system, Rules.of(source.families))
    pollers = tuple(
        Poller(
            Collector(
                listings[name],
                source.families,
                limits,
                scope,
                account.name,
                labels="workflow" if account.workflow_label and _has_optional_labels(source, name) else "",
                boot=boot(),
                rules=rules,
            ),
            api_client,
            shared.state,
            Output(
                functools.partial(shared.board.publish, unless=over.is_set),
                lambda: shared.board.last_scrape,
                account.created_timestamps,
            ),
            facts_by_name.get(name) or CollectorStatus(account.name, account.system, name),
            Pace(account.poll_interval, account.stale_after, account.stuck_after),
            account.workflow_label,
            shared.clock,
        )
        for name in account.collectors
    )
    return AccountPipeline(account, pollers, over, api_client.close)


def _limiter(account: Account) -> RateLimiter:
    return RateLimiter(account.max_requests_per_second, account.max_concurrent_requests, time.monotonic)


def _continued_limiter(account: Account, shared: Shared) -> RateLimiter:
    """Build a rate limiter that keeps the pause of the account's last one, unless its API or token is another."""
    limiter = _limiter(account)
    before = shared.limiters.get(account.name)
    if before is not None and before[:2] == (account.base_url, account.token):
        limiter.pause(before[2].held_for())
    shared.limiters[account.name] = account.base_url, account.token, limiter
    return limiter


def _endpoints(listing: Listing) -> set[str]:
    """Return the endpoints that a collector requests: its list, and single records."""
    return {request.endpoint for request in (listing.page(1, 1), *listing.requests_by_id(["id"]))}


def _has_optional_labels(source: Source, collector: str) -> bool:
    return any(family.optional and collector in family.zeros for family in source.families)


def _path(path: os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)
