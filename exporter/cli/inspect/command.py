"""`batch-exporter inspect`: one record as the API has it now, and its files. Metrics and state are not touched."""

import argparse
import json
import signal
import sys
import time
from dataclasses import replace

from exporter.cli.api_client import api_client
from exporter.cli.flags import Misused
from exporter.cli.inspect.download import Fetching, Saved
from exporter.cli.inspect.json_document import document
from exporter.cli.inspect.result import Found
from exporter.cli.inspect.row_errors import Summary, summary
from exporter.cli.inspect.text import text
from exporter.cli.load_config import configuration
from exporter.config import Account
from exporter.config.source.problems import nearest, shown
from exporter.model.record import FetchError
from exporter.polling.build import file_transport
from exporter.systems import Source, sources
from exporter.systems.base import Options
from exporter.systems.detail import Detail, Details, NotAnId


def run(given: argparse.Namespace) -> bool:
    """Ask for the record and show it. True if all that was wanted could be had. Raises Misused and ConfigError."""
    # What is half saved is taken away, whichever way it ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    account = _account(given)
    source = sources()[account.system]
    try:
        collector = source.details.collector(given.record_id)
    except NotAnId as error:
        raise Misused(f'"{shown(given.record_id)}" is {error}') from None
    wanted = _wanted(given, account, source.details)
    try:
        problems = _inspect(given, account, source, collector, wanted)
    except FetchError as error:
        problems = [f"{error.reason}: {error}"]
    except RecursionError:
        problems = ["malformed: the answer is nested too deeply to be shown"]
    for problem in problems:
        print(f"{account.name}/{collector}: {problem}", file=sys.stderr)
    return not problems


def _account(given: argparse.Namespace) -> Account:
    accounts = {account.name: account for account in configuration(given).accounts}
    if given.account not in accounts:
        hint = nearest(given.account, accounts) or f"; there are: {', '.join(accounts)}"
        raise Misused(f'there is no account "{shown(given.account)}" in {given.config_file or "the environment"}{hint}')
    return accounts[given.account]


def _wanted(given: argparse.Namespace, account: Account, details: Details) -> tuple[str, ...]:
    """The names of the files to ask for."""
    if (given.errors or given.files) and not details.files:
        raise Misused(f"--errors and --files: {account.system} offers no files of its records")
    if given.files:
        return tuple(details.files)
    return details.errors_files if given.errors else ()


def _inspect(
    given: argparse.Namespace, account: Account, source: Source, collector: str, wanted: tuple[str, ...]
) -> list[str]:
    """Ask, fetch and print. Returns what could not be fetched, for the operator. Raises FetchError."""
    found = _ask(account, source, collector, given.record_id, wanted)
    if found is None:
        return [f"no record {given.record_id} in account {account.name}"]
    fetching = Fetching(file_transport(account), account.request_timeout)
    saved = Saved()
    if given.files:
        saved = fetching.save_all(found.detail.files, given.files, found.detail.id)
        found = replace(found, saved=saved.paths)
    problems = list(saved.problems)
    if given.errors:
        try:
            found = replace(found, errors=_errors(found.detail, source.details, fetching, saved, given.show_data))
            if found.errors is None:
                print(f"{account.name}/{collector}: {found.detail.id} offers no errors file", file=sys.stderr)
        except FetchError as error:
            problems.append(f"{error.reason}: {error}")
    _print(found, given)
    return problems


def _ask(account: Account, source: Source, collector: str, record_id: str, wanted: tuple[str, ...]) -> Found | None:
    """None if the account has no such record. Raises FetchError."""
    listing = source.listing(collector, Options())
    request = listing.ask([record_id])[0]
    files = {source.details.files[name]: "true" for name in wanted}
    try:
        answer = api_client(account).get(replace(request, params={**request.params, **files}))
    except FetchError as error:
        # Of a list, a 404 says nothing of a record.
        if error.status == 404 and request.path != request.endpoint:
            return None
        raise
    detail = source.details.read(collector, record_id, answer)
    if detail is None:
        return None
    page = listing.read_asked(answer)
    record = next((one for one in page.records if one.id == record_id), None)
    return Found(
        account.name,
        account.system,
        collector,
        detail,
        in_flight=None if record is None else record.in_flight,
        rejected=next(iter(page.rejected), None) if record is None else None,
    )


def _errors(detail: Detail, details: Details, fetching: Fetching, saved: Saved, show_data: bool) -> Summary | None:
    """The errors file in short; None where none is offered. Raises FetchError."""
    name = next((one for one in details.errors_files if one in detail.files), None)
    if name is None:
        return None
    content = fetching.content(name, detail.files[name], saved.paths.get(name))
    return summary(details.row_errors(name, content), show_data)


def _print(found: Found, given: argparse.Namespace) -> None:
    if given.json:
        made = json.dumps(document(found, given.show_data), indent=2) + "\n"
    else:
        made = text(found, time.time(), given.show_data)
    # Not every terminal has every character.
    sys.stdout.buffer.write(made.encode(sys.stdout.encoding, errors="backslashreplace"))
