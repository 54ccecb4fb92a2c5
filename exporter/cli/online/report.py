"""Show what was learned of an account: as lines for people, and as JSON. Pure.

No record, name, address or token is in it: only numbers and words of the exporter, and errors as they may be logged.
"""

from collections.abc import Iterator

from exporter.cli.online.cost import request_series
from exporter.cli.online.findings import Findings, Kept, Latency, Order
from exporter.cli.online.learn import AccountReport, CollectorReport
from exporter.client.rate_limit_headers import ApiLimit
from exporter.model.record import FetchError, Reason

_ORDERS = {
    Order.NEWEST_FIRST: "newest first",
    Order.OLDEST_FIRST: "oldest first",
    Order.UNSORTED: "not sorted",
    Order.UNKNOWN: "not known, too few records",
}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def error_text(error: FetchError) -> str:
    """Return an error of a collector, with a hint where another API may have answered."""
    another = error.status in (404, 405, 410) or error.reason is Reason.MALFORMED
    return f"{error.reason}: {error}{': check base_url' if another and 'base_url' not in str(error) else ''}"


def headline(report: CollectorReport) -> str:
    """Return the line about a collector, without its name."""
    match report.outcome:
        case FetchError() as error:
            return error_text(error)
        case Findings() as found:
            cost = f"about {found.requests_per_day:,} requests on a quiet day"
            return f"OK, {counted(found.pages, 'page')} in the window, {cost}"
        case naming:
            return f"OK, but the account has no such list: polling the IDs of batches that {naming} name"


def details(report: CollectorReport) -> Iterator[str]:
    """Yield the lines below a collector's headline."""
    if report.latency is not None:
        yield f"latency: {_latency(report.latency)}, {counted(report.requests, 'request')}"
    if not isinstance(report.outcome, Findings):
        return
    found = report.outcome
    yield f"page size: {_page_size(found)}"
    yield f"order: {_ORDERS[found.order]}{_sort(found.sort)}"
    if found.by_id is not Kept.UNUSED:
        yield f"records by ID ({found.id_parameter}): {_by_id(found.by_id)}"
    yield f"series: about {found.series:,}"
    yield from (f"note: {note}" for note in found.notes)


def summary(report: AccountReport) -> str:
    """Return the line about an account, without its name."""
    made = f"{counted(report.requests, 'request')} made"
    cost = f"about {counted(requests_per_day(report), 'request')} on a quiet day"
    return f"{made}, {cost}, about {account_series(report):,} series, {_limit(report.limit)}"


def requests_per_day(report: AccountReport) -> int:
    """Return the requests of a quiet day, of all collectors that can be estimated."""
    return sum(each.outcome.requests_per_day for each in report.collectors if isinstance(each.outcome, Findings))


def account_series(report: AccountReport) -> int:
    """Return how many series the account has, of all collectors that can be estimated, and about its requests."""
    of_collectors = sum(each.outcome.series for each in report.collectors if isinstance(each.outcome, Findings))
    return of_collectors + request_series(report.endpoints, limited=report.limit is not None)


def document(report: AccountReport) -> dict[str, object]:
    """Return an account as JSON has it. Times are in seconds."""
    limit = report.limit
    return {
        "account": report.account.name,
        "system": report.account.system,
        "ok": report.ok,
        "requests": report.requests,
        "requests_per_day": requests_per_day(report),
        "series": account_series(report),
        "rate_limit": None
        if limit is None
        else {
            "limit": limit.limit,
            "remaining": limit.remaining,
            "reset_seconds": None if limit.reset_in is None else round(limit.reset_in, 3),
        },
        "collectors": [{"collector": each.collector, **fields(each)} for each in report.collectors],
    }


def fields(report: CollectorReport) -> dict[str, object]:
    """Return a collector as JSON has it."""
    latency, outcome = report.latency, report.outcome
    common: dict[str, object] = {
        "ok": not isinstance(outcome, FetchError),
        "requests": report.requests,
        "latency_seconds": None
        if latency is None
        else {
            "min": round(latency.least, 6),
            "median": round(latency.median, 6),
            "max": round(latency.most, 6),
        },
    }
    if isinstance(outcome, FetchError):
        return {**common, "reason": outcome.reason.value, "status": outcome.status, "error": error_text(outcome)}
    if not isinstance(outcome, Findings):
        return {**common, "list": False, "ids_from": outcome}
    return {
        **common,
        "list": True,
        "pages": outcome.pages,
        "requests_per_day": outcome.requests_per_day,
        "series": outcome.series,
        "page_size": {
            "asked": outcome.page_size,
            "given": outcome.page_size_given,
            "refused": outcome.page_size_refused,
        },
        "sort": outcome.sort.value,
        "order": outcome.order.value,
        "by_id": {"parameter": outcome.id_parameter, "result": outcome.by_id.value},
        "notes": list(outcome.notes),
    }


def _latency(latency: Latency) -> str:
    seconds = (latency.least, latency.median, latency.most)
    return f"{' / '.join(f'{each:.3f} s' for each in seconds)} (min / median / max)"


def _page_size(found: Findings) -> str:
    given = "not known" if found.page_size_given is None else str(found.page_size_given)
    return f"{found.page_size} asked{' and refused' if found.page_size_refused else ''}, {given} given"


def _sort(sort: Kept) -> str:
    return {
        Kept.KEPT: ", as sort asks",
        Kept.IGNORED: ", though sort asks for newest first",
        Kept.REFUSED: ", sort is refused",
    }.get(sort, "")


def _by_id(kept: Kept) -> str:
    return {
        Kept.KEPT: "kept",
        Kept.IGNORED: "ignored, the answer has other records",
        Kept.REFUSED: "refused",
        Kept.MISSING: "a record of the list is not found",
    }.get(kept, "not known, there is no record")


def _limit(limit: ApiLimit | None) -> str:
    if limit is None:
        return "no rate limit stated"
    parts = [
        "" if limit.limit is None else f"{limit.limit:,.0f} requests",
        "" if limit.remaining is None else f"{limit.remaining:,.0f} left",
        "" if limit.reset_in is None else f"resets in {limit.reset_in:,.0f} s",
    ]
    return f"rate limit stated: {', '.join(part for part in parts if part)}"
