"""`batch-exporter check`: is the configuration right, does the API let us in, and what will it cost."""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence

from exporter.client import Client
from exporter.commands.configured import configuration, systems, web_configuration
from exporter.commands.unmetered import unmetered
from exporter.config import Account, json_schema
from exporter.engine.manners import Manners
from exporter.engine.newest_first import NewestFirst
from exporter.records import FetchError
from exporter.sources import sources
from exporter.sources.listing import Listing, Options, Page
from exporter.web_config import Current

_DAY_SECONDS = 86400.0


def run(given: argparse.Namespace) -> bool:
    """Check, and say so. True if all is well."""
    if given.print_schema:
        print(json.dumps(json_schema(systems()), indent=2))
        return True
    config = configuration(given)
    web = web_configuration(given)
    folder = None if config.state_path is None else config.state_path.absolute().parent
    if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
        print(f"state.path: there is no folder {folder} that may be written to", file=sys.stderr)
        return False
    named = given.config_file or "the environment"
    print(f"{named}: OK, {len(config.accounts)} account{'s' if len(config.accounts) != 1 else ''}")
    _tell_web_configuration(web)
    if not given.online:
        return True
    results = [_online(account) for account in config.accounts]
    return all(results)


def _tell_web_configuration(web: Current | None) -> None:
    if web is None:
        return
    for warning in web.config.warnings:
        print(warning, file=sys.stderr)
    tls = "TLS" if web.config.tls is not None else "plain HTTP"
    print(f"{web.path}: OK, {tls}, {len(web.config.users)} user{'s' if len(web.config.users) != 1 else ''}")


def _online(account: Account) -> bool:
    source = sources()[account.system]
    asking = unmetered(account)
    options = Options(account.filters, account.workflow_batch_ids, account.workflow_label)
    results = [_ask(account, source.listing(name, options), asking) for name in account.collectors]
    return all(results)


def _ask(account: Account, listing: Listing, asking: Client) -> bool:
    where = f"{account.name}/{listing.name}"
    try:
        pages = NewestFirst(Manners(account.page_size))
        newest = [pages.page(asking, listing, 1)]
        if not newest[0].last:
            # Where the list runs oldest first, the newest page may have but a row.
            newest.append(pages.page(asking, listing, 2))
    except FetchError as error:
        if listing.parts is not None and error.status in (404, 405):
            print(f"{where}: OK, but the account has no such list: batches that {listing.parts} name are asked for")
            return True
        print(f"{where}: {error.reason}: {error}", file=sys.stderr)
        return False
    count = pages_in_window(newest, account.lookback)
    cost = requests_a_day(count, account.poll_interval, account.reconcile_interval)
    print(f"{where}: OK, {count} page{'s' if count != 1 else ''} in the window, about {cost:,} requests on a quiet day")
    return True


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
