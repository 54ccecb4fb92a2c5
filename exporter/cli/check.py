"""`batch-exporter check`: validate the configuration and, on demand, test each API and estimate the cost of polling."""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from exporter.cli.api_client import api_client
from exporter.cli.load_config import checked_configuration, systems, web_configuration
from exporter.cli.printing import Printer
from exporter.client import JSON, Client, Request
from exporter.config import Account, Config, ConfigError, Database, Problem, json_schema
from exporter.model.record import FetchError, Reason, StateError
from exporter.polling.collector.paged_list import PagedList
from exporter.state import postgres
from exporter.systems import sources
from exporter.systems.base import Listing, Options, Page
from exporter.web.config import WebConfigFile

_DAY_SECONDS = 86400.0


def run(args: argparse.Namespace) -> bool:
    """Check, and print the results. Return whether all is well. Raises ConfigError with all problems."""
    if args.print_schema:
        print(json.dumps(json_schema(systems()), indent=2))
        return True
    printer = Printer(args.log_format)
    config, web = _checked(args)
    for warning in (*config.warnings, *(() if web is None else web.config.warnings)):
        printer.warning(str(warning), **warning.fields())
    printer.result(f"{args.config_file or 'the environment'}: OK, {_counted(len(config.accounts), 'account')}")
    if web is not None:
        tls = "TLS" if web.config.tls is not None else "plain HTTP"
        printer.result(f"{web.path}: OK, {tls}, {_counted(len(web.config.users), 'user')}")
    if not args.online:
        return True
    results = [_database(config.database, printer)] if config.database is not None else []
    results += [_online(account, printer) for account in config.accounts]
    return all(results)


def _database(database: Database, printer: Printer) -> bool:
    """Connect to the database of the state, and print a line. Return whether it can be used. Nothing is made in it."""
    try:
        postgres.require()
        from exporter.state.postgres.check import check

        place = database.url.shown()
        found = check(database.url.read, place, prepared_statements=database.prepared_statements)
    except StateError as error:
        printer.problem(str(error), reason=str(error.reason))
        return False
    tables = (
        f"tables of version {found.schema}" if found.schema else "empty, the exporter makes its tables at the start"
    )
    text = f"state database {place}: OK, {tables}, PostgreSQL {found.server}, {_counted(found.live, 'live replica')}"
    printer.result(text, **found._asdict())
    return True


def _checked(args: argparse.Namespace) -> tuple[Config, WebConfigFile | None]:
    """Load both configurations. Raises ConfigError with the problems of both."""
    problems: list[Problem] = []
    config = web = None
    try:
        config = checked_configuration(args)
    except ConfigError as error:
        problems += error.problems
    try:
        web = web_configuration(args)
    except ConfigError as error:
        problems += error.problems
    if config is None or problems:
        raise ConfigError(problems)
    return config, web


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


@dataclass(slots=True)
class _RecordingClient:
    """A client that keeps the last answer."""

    client: Client
    answer: JSON = None

    def get(self, request: Request) -> JSON:
        self.answer = self.client.get(request)
        return self.answer


def _online(account: Account, printer: Printer) -> bool:
    """Query the API of each collector, and print a line for each. Return whether all queries succeeded."""
    source = sources()[account.system]
    client = _RecordingClient(api_client(account))
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    listings = {name: source.listing(name, options) for name in source.system.collectors}
    outcomes = {name: _query(account, listings[name], client) for name in account.collectors}
    for name, outcome in list(outcomes.items()):
        naming = listings[name].batch_ids_from
        if isinstance(outcome, FetchError) and naming is not None and outcome.status in (404, 405):
            # An API that lacks this list has other lists. Where it has none at all, base_url names another API.
            if naming not in outcomes:
                outcomes[naming] = _query(account, listings[naming], client)
            if not isinstance(outcomes[naming], FetchError):
                outcomes[name] = naming
    results = [_print_outcome(account, name, outcomes[name], printer) for name in account.collectors]
    return all(results)


_Outcome = FetchError | int | str
"""The outcome of a query: an error, the number of pages in the window, or the collector that names the records."""


def _print_outcome(account: Account, collector: str, outcome: _Outcome, printer: Printer) -> bool:
    where = f"{account.name}/{collector}"
    fields = {"account": account.name, "collector": collector}
    if isinstance(outcome, FetchError):
        hint = ": check base_url" if _may_be_another_api(outcome) and "base_url" not in str(outcome) else ""
        printer.problem(f"{where}: {outcome.reason}: {outcome}{hint}", **fields, reason=str(outcome.reason))
        return False
    if isinstance(outcome, str):
        message = f"{where}: OK, but the account has no such list: polling the IDs of batches that {outcome} name"
        printer.result(message, **fields)
        return True
    polling = account.polling(collector)
    cost = requests_a_day(outcome, polling.poll_interval, polling.reconcile_interval)
    message = f"{where}: OK, {_counted(outcome, 'page')} in the window, about {cost:,} requests on a quiet day"
    printer.result(message, **fields, pages=outcome, requests_per_day=cost)
    return True


def _query(account: Account, listing: Listing, recorder: _RecordingClient) -> _Outcome:
    where = {"account": account.name, "collector": listing.name}
    polling = account.polling(listing.name)
    client = cast("Client", recorder)
    try:
        pages = PagedList(listing, polling.page_size, where=where)
        newest = [pages.page(client, 1)]
        if sign := _sign_of_another_api(newest[0], recorder.answer):
            return FetchError(Reason.MALFORMED, sign, 200)
        if not newest[0].last:
            # In a list that runs oldest first, the newest page may have a single row.
            newest.append(pages.page(client, 2))
    except FetchError as error:
        return error
    return pages_in_window(newest, polling.lookback)


def _may_be_another_api(error: FetchError) -> bool:
    """Return whether an API that is not the account's could cause this error."""
    return error.reason is Reason.MALFORMED or (error.status is not None and error.status in (404, 405, 410))


def _sign_of_another_api(page: Page, answer: JSON) -> str | None:
    """Return why another API seems to have answered; None if there is no such sign."""
    if page.rows and not page.records:
        return f"none of the {_counted(page.rows, 'row')} of the list is a record of this API"
    if not page.rows and not _has_pagination(answer):
        return "the answer is an empty list without pagination"
    return None


def _has_pagination(answer: JSON) -> bool:
    """Return whether the answer has a `pagination`, as the lists of both vendors have, at its top or a level below."""
    if not isinstance(answer, dict):
        return False
    return any("pagination" in level for level in (answer, *answer.values()) if isinstance(level, dict))


def requests_a_day(pages: int, poll_interval: float, reconcile_interval: float) -> int:
    """Return the requests of a day without new or unfinished records: a page a poll, all pages a reconciliation."""
    again = 0 if pages == 1 else pages * _DAY_SECONDS / reconcile_interval
    return math.ceil(_DAY_SECONDS / poll_interval + again)


def pages_in_window(newest: Sequence[Page], lookback: float) -> int:
    """Estimate the pages of the window from the time that the newest ones span and from the total number of pages."""
    times = [record.created_at for page in newest for record in page.records]
    if newest[0].last or len(times) < 2:
        return 1
    span = max(times) - min(times)
    spanned = len(times) / max(page.rows for page in newest)
    by_time = math.ceil(spanned * lookback / span) if span > 0 else math.inf
    return int(min(max(1, by_time), newest[0].pages or by_time))
