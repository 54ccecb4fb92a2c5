"""`batch-exporter check`: is the configuration right, does the API let us in, and what will it cost."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from exporter.cli.api_client import api_client
from exporter.cli.load_config import judged, systems, web_configuration
from exporter.cli.printing import Printer
from exporter.client import JSON, Client, Request
from exporter.config import Account, Config, ConfigError, Problem, json_schema
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.paged_list import PagedList
from exporter.systems import sources
from exporter.systems.base import Listing, Options, Page
from exporter.web.config import WebConfigFile

_DAY_SECONDS = 86400.0


def run(given: argparse.Namespace) -> bool:
    """Check, and print what was found. True if all is well. Raises ConfigError with all that is wrong."""
    if given.print_schema:
        print(json.dumps(json_schema(systems()), indent=2))
        return True
    printer = Printer(given.log_format)
    config, web = _judged(given)
    for warning in (*config.warnings, *(() if web is None else web.config.warnings)):
        printer.warning(str(warning), **warning.fields())
    printer.result(f"{given.config_file or 'the environment'}: OK, {_counted(len(config.accounts), 'account')}")
    if web is not None:
        tls = "TLS" if web.config.tls is not None else "plain HTTP"
        printer.result(f"{web.path}: OK, {tls}, {_counted(len(web.config.users), 'user')}")
    if not given.online:
        return True
    results = [_online(account, printer) for account in config.accounts]
    return all(results)


def _judged(given: argparse.Namespace) -> tuple[Config, WebConfigFile | None]:
    """Both configurations. Raises ConfigError with the problems of both."""
    problems: list[Problem] = []
    config = web = None
    try:
        config = judged(given)
    except ConfigError as error:
        problems += error.problems
    try:
        web = web_configuration(given)
    except ConfigError as error:
        problems += error.problems
    if config is None or problems:
        raise ConfigError(problems)
    return config, web


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


@dataclass(slots=True)
class _Recording:
    """A client that keeps the last answer."""

    client: Client
    answer: JSON = None

    def get(self, request: Request) -> JSON:
        self.answer = self.client.get(request)
        return self.answer


def _online(account: Account, printer: Printer) -> bool:
    """Ask each collector's API, and print a line for each. True if all could be asked."""
    source = sources()[account.system]
    asking = _Recording(api_client(account))
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    listings = {name: source.listing(name, options) for name in source.system.collectors}
    outcomes = {name: _ask(account, listings[name], asking) for name in account.collectors}
    for name, outcome in list(outcomes.items()):
        parts = listings[name].parts
        if isinstance(outcome, FetchError) and parts is not None and outcome.status in (404, 405):
            # An API without this list has others; where there is none at all, it is another API.
            if parts not in outcomes:
                outcomes[parts] = _ask(account, listings[parts], asking)
            if not isinstance(outcomes[parts], FetchError):
                outcomes[name] = parts
    results = [_told(account, name, outcomes[name], printer) for name in account.collectors]
    return all(results)


_Outcome = FetchError | int | str
"""Of asking a collector's API: why not, how many pages the window has, or what else names the records."""


def _told(account: Account, collector: str, outcome: _Outcome, printer: Printer) -> bool:
    where = f"{account.name}/{collector}"
    fields = {"account": account.name, "collector": collector}
    if isinstance(outcome, FetchError):
        hint = ": is base_url right?" if _of_another_api(outcome) and "base_url" not in str(outcome) else ""
        printer.problem(f"{where}: {outcome.reason}: {outcome}{hint}", **fields, reason=str(outcome.reason))
        return False
    if isinstance(outcome, str):
        told = f"{where}: OK, but the account has no such list: batches that {outcome} name are asked for"
        printer.result(told, **fields)
        return True
    cost = requests_a_day(outcome, account.poll_interval, account.reconcile_interval)
    told = f"{where}: OK, {_counted(outcome, 'page')} in the window, about {cost:,} requests on a quiet day"
    printer.result(told, **fields, pages=outcome, requests_per_day=cost)
    return True


def _ask(account: Account, listing: Listing, asking: _Recording) -> _Outcome:
    where = {"account": account.name, "collector": listing.name}
    client = cast("Client", asking)
    try:
        pages = PagedList(listing, account.page_size, where=where)
        newest = [pages.page(client, 1)]
        if strange := _strange(newest[0], asking.answer):
            return FetchError(Reason.MALFORMED, strange, 200)
        if not newest[0].last:
            # Where the list runs oldest first, the newest page may have but a row.
            newest.append(pages.page(client, 2))
    except FetchError as error:
        return error
    return pages_in_window(newest, account.lookback)


def _of_another_api(error: FetchError) -> bool:
    """Whether an API that is not the account's would answer so."""
    return error.reason is Reason.MALFORMED or (error.status is not None and error.status in (404, 405, 410))


def _strange(page: Page, answer: JSON) -> str | None:
    """What shows that it is another API that has answered, though there is a list."""
    if page.rows and not page.records:
        return f"none of the {_counted(page.rows, 'row')} of the list is a record of this API"
    if not page.rows and not _tells_of_pages(answer):
        return "the answer is an empty list and says nothing of its pages"
    return None


def _tells_of_pages(answer: JSON) -> bool:
    """Whether the answer has a `pagination`, as the lists of both vendors have, at its top or one level below."""
    if not isinstance(answer, dict):
        return False
    return any("pagination" in level for level in (answer, *answer.values()) if isinstance(level, dict))


def requests_a_day(pages: int, poll_interval: float, reconcile_interval: float) -> int:
    """What a day costs if nothing is new or in flight: a page each poll, and at each reconciliation all of them."""
    again = 0 if pages == 1 else pages * _DAY_SECONDS / reconcile_interval
    return math.ceil(_DAY_SECONDS / poll_interval + again)


def pages_in_window(newest: Sequence[Page], lookback: float) -> int:
    """How many pages the window has, judged by how much time the newest ones span and how many there are in all."""
    times = [record.created_at for page in newest for record in page.records]
    if newest[0].last or len(times) < 2:
        return 1
    span = max(times) - min(times)
    spanned = len(times) / max(page.rows for page in newest)
    by_time = math.ceil(spanned * lookback / span) if span > 0 else math.inf
    return int(min(max(1, by_time), newest[0].pages or by_time))
