"""Fetch one record as the API has it now, with its files, and print it. Metrics and state are not touched."""

import argparse
import json
import signal
import sys
import time
from dataclasses import replace

from exporter.cli.api_client import api_client
from exporter.cli.flags import UsageError
from exporter.cli.inspect.download import FileFetcher, Saved
from exporter.cli.inspect.result import Result
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


def run(args: argparse.Namespace) -> bool:
    """Fetch the record and print it. Return whether all that was asked for was found.

    Raises UsageError and ConfigError.
    """
    # Handle SIGTERM like Ctrl-C: a half-downloaded file is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    account = _account(args)
    source = sources()[account.system]
    try:
        collector = source.details.collector(args.record_id)
    except NotAnId as error:
        raise UsageError(f'"{shown(args.record_id)}" is {error}') from None
    files = _files(args, account, source.details)
    try:
        problems = _inspect(args, account, source, collector, files)
    except FetchError as error:
        problems = [f"{error.reason}: {error}"]
    except RecursionError:
        problems = ["malformed: the answer is nested too deeply to be shown"]
    for problem in problems:
        print(f"{account.name}/{collector}: {problem}", file=sys.stderr)
    return not problems


def _account(args: argparse.Namespace) -> Account:
    accounts = {account.name: account for account in configuration(args).accounts}
    if args.account not in accounts:
        hint = nearest(args.account, accounts) or f"; there are: {', '.join(accounts)}"
        file = args.config_file or "the environment"
        raise UsageError(f'there is no account "{shown(args.account)}" in {file}{hint}')
    return accounts[args.account]


def _files(args: argparse.Namespace, account: Account, details: Details) -> tuple[str, ...]:
    """Return the names of the files to ask the API for. Raises UsageError."""
    if (args.errors or args.files) and not details.files:
        raise UsageError(f"--errors and --files: {account.system} offers no files of its records")
    if args.files:
        return tuple(details.files)
    return details.errors_files if args.errors else ()


def _inspect(
    args: argparse.Namespace, account: Account, source: Source, collector: str, files: tuple[str, ...]
) -> list[str]:
    """Fetch and print. Return messages about what could not be fetched. Raises FetchError."""
    result = _fetch(account, source, collector, args.record_id, files)
    if result is None:
        return [f"no record {args.record_id} in account {account.name}"]
    fetcher = FileFetcher(file_transport(account), account.request_timeout)
    saved = Saved()
    if args.files:
        saved = fetcher.save_all(result.detail.files, args.files, result.detail.id)
        result = replace(result, saved=saved.paths)
    problems = list(saved.problems)
    if args.errors:
        try:
            result = replace(result, errors=_errors(result.detail, source.details, fetcher, saved, args.show_data))
            if result.errors is None:
                print(f"{account.name}/{collector}: {result.detail.id} offers no errors file", file=sys.stderr)
        except FetchError as error:
            problems.append(f"{error.reason}: {error}")
    _print(result, args)
    return problems


def _fetch(account: Account, source: Source, collector: str, record_id: str, files: tuple[str, ...]) -> Result | None:
    """Return the record; None if the account has no such record. Raises FetchError."""
    listing = source.listing(collector, Options())
    request = listing.requests_by_id([record_id])[0]
    flags = {source.details.files[name]: "true" for name in files}
    try:
        answer = api_client(account).get(replace(request, params={**request.params, **flags}))
    except FetchError as error:
        # A 404 is about the record only where the path names it.
        if error.status == 404 and request.path != request.endpoint:
            return None
        raise
    detail = source.details.read(collector, record_id, answer)
    if detail is None:
        return None
    page = listing.read_by_id(answer)
    record = next((record for record in page.records if record.id == record_id), None)
    return Result(
        account.name,
        account.system,
        collector,
        detail,
        in_flight=None if record is None else record.in_flight,
        rejected=next(iter(page.rejected), None) if record is None else None,
    )


def _errors(detail: Detail, details: Details, fetcher: FileFetcher, saved: Saved, show_data: bool) -> Summary | None:
    """Return a summary of the errors file; None where the record offers none. Raises FetchError."""
    name = next((name for name in details.errors_files if name in detail.files), None)
    if name is None:
        return None
    content = fetcher.content(name, detail.files[name], saved.paths.get(name))
    return summary(details.row_errors(name, content), show_data)


def _print(result: Result, args: argparse.Namespace) -> None:
    if args.json:
        output = json.dumps(result.document(args.show_data), indent=2) + "\n"
    else:
        output = text(result, time.time(), args.show_data)
    # A terminal's encoding may lack some characters.
    sys.stdout.buffer.write(output.encode(sys.stdout.encoding, errors="backslashreplace"))
