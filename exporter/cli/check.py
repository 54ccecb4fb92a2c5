"""`batch-exporter check`: validate the configuration and, on demand, test each API and estimate the cost of polling."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence

from exporter.cli import webhooks
from exporter.cli.load_config import checked_configuration, systems, web_configuration
from exporter.cli.online import report
from exporter.cli.online.learn import AccountReport, CollectorReport, learn
from exporter.cli.printing import Printer
from exporter.config import Config, ConfigError, Database, Problem, json_schema
from exporter.model.record import FetchError, StateError
from exporter.state import postgres
from exporter.web.config import WebConfigFile


def run(args: argparse.Namespace) -> bool:
    """Check, and print the results. Return whether all is well. Raises ConfigError with all problems."""
    if args.print_schema:
        print(json.dumps(json_schema(systems()), indent=2))
        return True
    printer = Printer(args.log_format)
    config, web = _checked(args)
    for warning in (*config.warnings, *(() if web is None else web.config.warnings)):
        printer.warning(str(warning), **warning.fields())
    place = str(args.config_file or "the environment")
    return _as_json(args, place, config, web, printer) if args.json else _as_text(args, place, config, web, printer)


def _as_text(args: argparse.Namespace, place: str, config: Config, web: WebConfigFile | None, printer: Printer) -> bool:
    printer.result(f"{place}: OK, {report.counted(len(config.accounts), 'account')}")
    for account in webhooks.receiving(config.accounts):
        printer.result(f"{account}: webhooks at POST {webhooks.path(account)}", account=account)
    if web is not None:
        tls = "TLS" if web.config.tls is not None else "plain HTTP"
        printer.result(f"{web.path}: OK, {tls}, {report.counted(len(web.config.users), 'user')}")
    if not args.online:
        return True
    results = []
    if config.database is not None:
        found = _database(config.database, printer)
        if found is not None:
            printer.result(_database_text(found), **found)
        results.append(found is not None)
    for learned in map(learn, config.accounts):
        _print(learned, printer)
        results.append(learned.ok)
    return all(results)


def _as_json(args: argparse.Namespace, place: str, config: Config, web: WebConfigFile | None, printer: Printer) -> bool:
    """Print one document. Problems are printed as well, as in text, to standard error."""
    document: dict[str, object] = {"config": {"file": place, "accounts": len(config.accounts)}}
    if receiving := webhooks.receiving(config.accounts):
        document["webhooks"] = {account: webhooks.path(account) for account in receiving}
    if web is not None:
        users = len(web.config.users)
        document["web_config"] = {"file": str(web.path), "tls": web.config.tls is not None, "users": users}
    ok = True
    if args.online:
        if config.database is not None:
            document["state"] = found = _database(config.database, printer)
            ok = found is not None
        accounts = []
        for learned in map(learn, config.accounts):
            _print_problems(learned, printer)
            accounts.append(report.document(learned))
            ok = ok and learned.ok
        document["accounts"] = accounts
    print(json.dumps({"ok": ok, **document}, indent=2))
    return ok


def _print(learned: AccountReport, printer: Printer) -> None:
    """Print a line for each collector with its details, and one for the account."""
    for each in learned.collectors:
        text, where = _line(learned, each)
        if isinstance(each.outcome, FetchError):
            printer.problem(text, **where, reason=str(each.outcome.reason))
            continue
        printer.result(text, **where, **_flat(report.fields(each)))
        for line in report.details(each):
            printer.detail(line)
    account = learned.account.name
    if any(not isinstance(each.outcome, FetchError) for each in learned.collectors):
        numbers = _flat({key: value for key, value in report.document(learned).items() if key != "collectors"})
        printer.result(f"{account}: {report.summary(learned)}", **numbers)


def _print_problems(learned: AccountReport, printer: Printer) -> None:
    for each in learned.collectors:
        if isinstance(each.outcome, FetchError):
            text, where = _line(learned, each)
            printer.problem(text, **where, reason=str(each.outcome.reason))


def _line(learned: AccountReport, each: CollectorReport) -> tuple[str, dict[str, str]]:
    account = learned.account.name
    return f"{account}/{each.collector}: {report.headline(each)}", {"account": account, "collector": each.collector}


def _flat(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values without levels, as a line of the log has them: `page_size_asked`."""
    return dict(_flattened(values))


def _flattened(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}_{inner}", each) for inner, each in _flattened(value))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield key, "; ".join(map(str, value))
        elif value is not None:
            yield key, value


def _database(database: Database, printer: Printer) -> dict[str, object] | None:
    """Connect to the database of the state. Return what it is, None if it can't be used. Nothing is made in it."""
    try:
        postgres.require()
        from exporter.state.postgres.check import check

        place = database.url.shown()
        found = check(database.url.read, place, prepared_statements=database.prepared_statements)
    except StateError as error:
        printer.problem(str(error), reason=str(error.reason))
        return None
    return {"place": place, **found._asdict()}


def _database_text(found: Mapping[str, object]) -> str:
    tables = (
        f"tables of version {found['schema']}"
        if found["schema"]
        else "empty, the exporter makes its tables at the start"
    )
    live = report.counted(int(str(found["live"])), "live replica")
    return f"state database {found['place']}: OK, {tables}, PostgreSQL {found['server']}, {live}"


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
