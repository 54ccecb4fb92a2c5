"""Ask an account's API once or twice for each collector, and return what the answers show. Nothing is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from exporter.cli.api_client import api_client
from exporter.cli.online.cost import pages_in_window, requests_a_day, series
from exporter.cli.online.findings import (
    Findings,
    Kept,
    Latency,
    Order,
    Seen,
    id_parameter,
    order,
    rows_given,
    sorting,
    strange,
)
from exporter.client import JSON, Client, Request, RequestMeter
from exporter.client.rate_limit_headers import ApiLimit
from exporter.config import Account
from exporter.model.family import with_bounds
from exporter.model.record import FetchError, Reason, Record
from exporter.polling.build import endpoints
from exporter.polling.collector.paged_list import PagedList
from exporter.polling.collector.server_limits import is_refusal
from exporter.systems import sources
from exporter.systems.base import Listing, Options, Page, Source

MOST_REQUESTS = 8
"""Requests for the pages of a list, repeats after errors not counted. Two suffice, unless its order is not plain."""

Outcome = FetchError | Findings | str
"""What became of a collector: an error, what was learned, or the collector that names the records of a missing list."""


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """What was learned of one collector."""

    collector: str
    outcome: Outcome
    requests: int
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What was learned of one account."""

    account: Account
    collectors: Sequence[CollectorReport]
    requests: int
    endpoints: int
    limit: ApiLimit | None
    """The rate limit that the API stated last."""

    @property
    def ok(self) -> bool:
        """Whether every collector can be polled."""
        return not any(isinstance(each.outcome, FetchError) for each in self.collectors)


@dataclass(slots=True)
class _Meter:
    """Keeps the response times of requests, and the last rate limit."""

    seconds: list[float] = field(default_factory=list)
    limit: ApiLimit | None = None

    def answered(self, endpoint: str, code: str, seconds: float) -> None:
        del endpoint, code
        self.seconds.append(seconds)

    def throttled(self, seconds: float) -> None:
        pass

    def rate_limit(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        self.limit = ApiLimit(limit, remaining, reset_in)


class _EnoughError(Exception):
    """The maximum number of requests has been made."""


@dataclass(slots=True)
class _RecordingClient:
    """A client for one list that keeps its pages, and makes a bounded number of requests."""

    client: Client
    listing: Listing
    seen: list[Seen] = field(default_factory=list)
    _asked: int = 0

    def get(self, request: Request) -> JSON:
        self._asked += 1
        if self._asked > MOST_REQUESTS:
            raise _EnoughError
        try:
            answer = self.client.get(request)
        except FetchError as error:
            self.seen.append(Seen(request, Page((), refusal=error) if is_refusal(error) else None))
            raise
        page = self._page(answer)
        if not self.seen and page is not None and (sign := _sign_of_another_api(page, answer)):
            raise FetchError(Reason.MALFORMED, sign, 200)
        self.seen.append(Seen(request, page))
        return answer

    def pages(self) -> dict[int, Page]:
        """Return the pages by the server's number, as the last request asked for them."""
        last = _without_number(self.seen[-1].request)
        return {
            int(seen.request.params["page"]): seen.page
            for seen in self.seen
            if seen.page is not None and _without_number(seen.request) == last
        }

    def _page(self, answer: JSON) -> Page | None:
        try:
            return self.listing.read_page(answer)
        except FetchError:
            return None


def learn(account: Account, make_client: Callable[[Account, RequestMeter], Client] = api_client) -> AccountReport:
    """Query the API for each collector of the account, one after the other. Raises nothing that an API can cause."""
    source, meter = sources()[account.system], _Meter()
    client = make_client(account, meter)
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    listings = {name: source.listing(name, options) for name in source.system.collectors}
    reports = {name: _collector(account, source, listings[name], client, meter) for name in account.collectors}
    for name, report in list(reports.items()):
        naming, outcome = listings[name].batch_ids_from, report.outcome
        if isinstance(outcome, FetchError) and naming is not None and outcome.status in (404, 405):
            # An API that lacks this list has other lists. Where it has none at all, base_url names another API.
            if naming not in reports:
                reports[naming] = _collector(account, source, listings[naming], client, meter)
            if not isinstance(reports[naming].outcome, FetchError):
                reports[name] = CollectorReport(name, naming, report.requests, report.latency)
    asked = {endpoint for name in account.collectors for endpoint in endpoints(listings[name])}
    collectors = [reports[name] for name in account.collectors]
    return AccountReport(account, collectors, len(meter.seconds), len(asked), meter.limit)


def _collector(account: Account, source: Source, listing: Listing, client: Client, meter: _Meter) -> CollectorReport:
    before = len(meter.seconds)
    outcome = _outcome(account, source, listing, client)
    seconds = meter.seconds[before:]
    return CollectorReport(listing.name, outcome, len(seconds), Latency.of(seconds))


def _outcome(account: Account, source: Source, listing: Listing, client: Client) -> FetchError | Findings:
    recorder = _RecordingClient(client, listing)
    polling = account.polling(listing.name)
    pages = PagedList(listing, polling.page_size, where={"account": account.name, "collector": listing.name})
    try:
        newest, notes = _newest(pages, recorder)
        records = [record for page in newest for record in page.records]
        by_id, parameter = _by_id(listing, client, records)
    except FetchError as error:
        return error
    read = recorder.pages()
    found = order(read)
    in_window = pages_in_window(newest, polling.lookback)
    is_sorted = found is not Order.UNSORTED
    families = with_bounds(source.families, polling.duration_buckets)
    cost = requests_a_day(in_window, polling.poll_interval, polling.reconcile_interval, sorted_list=is_sorted)
    return Findings(
        in_window,
        cost,
        series(records, listing, families, optional=account.workflow_label),
        polling.page_size,
        rows_given(read.values()),
        pages.rows != polling.page_size,
        sorting(listing, recorder.seen[-1].request, found),
        found,
        by_id,
        parameter,
        (*notes, *strange(read, pages.rows, found)),
    )


def _newest(pages: PagedList, recorder: _RecordingClient) -> tuple[list[Page], Sequence[str]]:
    """Return the newest one or two pages, and what is to be noted. Raises FetchError."""
    client = cast("Client", recorder)
    newest: list[Page] = []
    try:
        newest.append(pages.page(client, 1))
        if not newest[0].last:
            # In a list that runs oldest first, the newest page may have a single row.
            newest.append(pages.page(client, 2))
    except _EnoughError:
        read = [seen.page for seen in recorder.seen if seen.page is not None]
        return newest or read[:1], [f"the newest records were not found with {MOST_REQUESTS} requests"]
    return newest, ()


def _by_id(listing: Listing, client: Client, records: Sequence[Record]) -> tuple[Kept, str]:
    """Ask for one or two of the records by ID. Return whether the API returns these, and what named them.

    Raises FetchError for an error that is not about these records.
    """
    if not listing.can_fetch_by_id:
        return Kept.UNUSED, ""
    ids = [record.id for record in records[-2:][: listing.ids_per_request]]
    request = listing.requests_by_id(ids or ["id"])[0]
    parameter = id_parameter(request, (ids or ["id"])[0])
    if not ids:
        return Kept.UNKNOWN, parameter
    try:
        found = {record.id for record in listing.read_by_id(client.get(request)).records}
    except FetchError as error:
        if error.reason not in (Reason.CLIENT_ERROR, Reason.SERVER_ERROR, Reason.MALFORMED):
            raise
        return Kept.REFUSED, parameter
    if not found <= set(ids):
        return Kept.IGNORED, parameter
    return Kept.KEPT if found == set(ids) else Kept.MISSING, parameter


def _sign_of_another_api(page: Page, answer: JSON) -> str | None:
    """Return why another API seems to have answered; None if there is no such sign."""
    if page.rows and not page.records:
        return f"none of the {page.rows} {'row' if page.rows == 1 else 'rows'} of the list is a record of this API"
    if not page.rows and not _has_pagination(answer):
        return "the answer is an empty list without pagination"
    return None


def _has_pagination(answer: JSON) -> bool:
    """Return whether the answer has a `pagination`, as the lists of both vendors have, at its top or a level below."""
    if not isinstance(answer, dict):
        return False
    return any("pagination" in level for level in (answer, *answer.values()) if isinstance(level, dict))


def _without_number(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.params.items() if name != "page"}
