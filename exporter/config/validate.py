"""Validate keys against each other and against files, variables and systems. Types are in schema.py.

The rules read the file's data, not its model, so that one run reports all problems of a file. A rule that needs an
invalid value reports nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from exporter.config import bounds, buckets, durations, intervals, levels, schema
from exporter.config.database import DatabaseUrl, UrlError
from exporter.config.resources import PLENTY, Resources
from exporter.config.source import files
from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, Place, nearest, shown
from exporter.config.token import Token, TokenError
from exporter.config.webhook import WebhookSecret
from exporter.model.hosts import is_loopback
from exporter.model.system import System

SYSTEM_OPTIONS = ("workflow_batch_ids", "workflow_label")
"""Keys that only accounts of some systems have."""
TOKEN_KEYS = ("api_token_file", "api_token_env", "api_token")
PLACES_OF_STATE = ("path", "url", "url_file")
DATABASE_KEYS = tuple(key for key in schema.State.model_fields if key not in PLACES_OF_STATE)
"""Keys that only a state in a database has."""
_LEAST_TTL, _LARGEST_TTL = 8.0, 600.0
_CREDENTIALS = Path("/run/credentials")
"""The folder of systemd for the credentials of running services, with a folder for each unit."""
_LARGEST_PEM_BYTES = 1024 * 1024


StateProblem = Callable[[Path | None], str | None]
"""Returns the problem of a state file, or for None of the state in memory."""


DatabaseProblem = Callable[[str], str | None]
"""Returns what libpq would refuse in the URL of a database."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a configuration refers to."""

    systems: Mapping[str, System]
    environ: Mapping[str, str]
    directory: Path
    """The folder of relative paths."""
    state: "StateProblem" = lambda _: None
    """Checks the state file."""
    before_start: bool = False
    """Whether the service may not run yet, so that systemd has not made its credentials."""
    resources: Resources = PLENTY
    """What the process may use."""
    database: "DatabaseProblem" = lambda _: None
    """Checks the URL of a database."""

    @property
    def default_state_path(self) -> Path:
        """The default, in the working directory: the folder of the configuration may not be writable."""
        return Path(str(schema.State.model_fields["path"].default))


def findings(draft: Draft, context: Context) -> Iterator[Finding]:
    """Yield all problems other than wrong types."""
    if draft.get("accounts") == []:
        yield Finding(("accounts",), "must have at least one account")
    yield from _names(draft)
    for index in draft.indexes("accounts"):
        account = ("accounts", index)
        if isinstance(draft.get(*account), dict):
            yield from _system(draft, account, context.systems)
            yield from _token(draft, account, context)
            yield from _webhook(draft, account, context)
            yield from _proxy(draft, account)
            yield from _tls(draft, (*account, "tls_config"), context)
            yield from _repeated(draft, (*account, "workflow_batch_ids"))
    yield from _state(draft, context)
    yield from intervals.findings(draft, context.systems)
    yield from buckets.findings(draft, [levels.TOP, *(each[0] for each in levels.of_accounts(draft))])
    yield from bounds.findings(draft, context.resources)


def warnings(draft: Draft, context: Context) -> Iterator[Finding]:
    """Yield what an operator should change in a valid configuration."""
    accounts = [("accounts", index) for index in draft.indexes("accounts")]
    keys = (("api_token_file",), ("webhook", "secret_file"), ("tls_config", "key_file"))
    places = [(*account, *key) for account in accounts for key in keys]
    yield from _file_warnings(draft, [("state", "url_file"), *places], context)


def _file_warnings(draft: Draft, places: Iterable[Place], context: Context) -> Iterator[Finding]:
    for place in places:
        text = draft.text(*place)
        if text is not None and place[-1] != "key_file" and _comes_later(text, context):
            yield Finding(place, "not checked: systemd makes this file when it starts the service")
        if text is not None and files.is_open_to_all(context.directory / text, context.environ):
            yield Finding(place, "every user of this machine can read the file: run chmod o-r")


def _state(draft: Draft, context: Context) -> Iterator[Finding]:
    place: Place = ("state", "path")
    state = draft.get("state")
    if {place, ("state",)} & draft.wrong or (state is not None and not isinstance(state, dict)):
        return
    given = draft.keys("state")
    if {"url", "url_file"} & {*given}:
        yield from _database(draft, given, context)
        return
    for key in DATABASE_KEYS:
        if key in given:
            yield Finding(("state", key), "needs state.url or state.url_file, which are missing")
    path: Path | None = context.default_state_path
    if isinstance(state, dict) and "path" in state:
        text = draft.text(*place)
        if text is not None and (text.startswith("~") or "$" in text):
            yield Finding(place, '"~" and variables ("$") are not expanded here: write the path itself')
            return
        path = None if text is None else context.directory / text
    problem = context.state(path)
    if problem is not None:
        yield Finding(place, problem)


def _database(draft: Draft, given: Sequence[str], context: Context) -> Iterator[Finding]:
    places = [key for key in PLACES_OF_STATE if key in given]
    if len(places) != 1:
        yield Finding(
            ("state", places[-1]), f"the state is kept in one place: give one of {' and '.join(places)} alone"
        )
        return
    yield from _lease_ttl(draft)
    place: Place = ("state", places[0])
    text = draft.text(*place)
    if text is None or (places[0] == "url_file" and _comes_later(text, context)):
        return
    try:
        url = DatabaseUrl(text if places[0] == "url" else context.directory / text).check()
    except UrlError as error:
        # A problem of `url` itself is reported with the types.
        yield Finding(place, str(error))
        return
    problem = context.database(url)
    if problem is not None:
        yield Finding(place, problem)


def _lease_ttl(draft: Draft) -> Iterator[Finding]:
    place: Place = ("state", "lease_ttl")
    text = draft.text(*place)
    if text is not None and not _LEAST_TTL <= durations.parse(text) <= _LARGEST_TTL:
        least, largest = durations.write(_LEAST_TTL), durations.write(_LARGEST_TTL)
        message = f"must be from {least} to {largest}: a replica gives up its accounts 5s before, to be sure"
        yield Finding(place, message)


def _names(draft: Draft) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index in draft.indexes("accounts"):
        name = draft.text("accounts", index, "name")
        if name is None:
            continue
        if name in first:
            line = draft.lines[("accounts", first[name], "name")]
            where = f"accounts[{first[name]}] (line {line})"
            yield Finding(("accounts", index, "name"), f"must be unique; {where} has the same name")
        first.setdefault(name, index)


def _system(draft: Draft, account: Place, systems: Mapping[str, System]) -> Iterator[Finding]:
    name = draft.text(*account, "system")
    if name is None:
        return
    if name not in systems:
        yield Finding((*account, "system"), _unknown("system", name, systems))
        return
    system = systems[name]
    collectors = (*account, "collectors")
    if draft.get(*collectors) == []:
        yield Finding(collectors, "must name at least one collector; leave the key out for all")
    for index in draft.indexes(*collectors):
        collector = draft.text(*collectors, index)
        if collector is not None and collector not in system.collectors:
            yield Finding((*collectors, index), _unknown("collector", collector, system.collectors))
    yield from _repeated(draft, collectors)
    yield from _per_collector(draft, account, system)
    options = system.options if not system.webhook_header else (*system.options, "webhook")
    for key in (*SYSTEM_OPTIONS, "webhook"):
        if draft.get(*account, key) and key not in options:
            yield Finding((*account, key), f"accounts of {name} do not have this key")
    filters = draft.get(*account, "filters")
    for key in filters if isinstance(filters, dict) else ():
        if key not in system.filters:
            yield Finding((*account, "filters", key), f"unknown filter{_choice(key, system.filters)}")


def _per_collector(draft: Draft, account: Place, system: System) -> Iterator[Finding]:
    named = draft.get(*account, levels.PER_COLLECTOR)
    given = draft.get(*account, "collectors")
    for name in named if isinstance(named, dict) else ():
        place = (*account, levels.PER_COLLECTOR, name)
        if name not in system.collectors:
            yield Finding(place, _unknown("collector", name, system.collectors))
        elif isinstance(given, list) and name not in given:
            yield Finding(place, "is not polled: collectors does not name it")


def _repeated(draft: Draft, place: Place) -> Iterator[Finding]:
    seen = set()
    for index in draft.indexes(*place):
        item = draft.text(*place, index)
        if item is not None and item in seen:
            yield Finding((*place, index), "is in the list twice")
        seen.add(item)


def _unknown(kind: str, word: str, known: Iterable[str]) -> str:
    return f'unknown {kind} "{shown(word)}"{_choice(word, known)}'


def _choice(word: str, known: Iterable[str]) -> str:
    return nearest(word, known) or f"; there is {', '.join(known)}"


def _token(draft: Draft, account: Place, context: Context) -> Iterator[Finding]:
    given = [key for key in TOKEN_KEYS if key in draft.keys(*account)]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        yield Finding(account, f"needs exactly one of {', '.join(TOKEN_KEYS)}; it has {found}")
        return
    place = (*account, given[0])
    text = draft.text(*place)
    if text is None:
        return
    if given[0] == "api_token_env" and text not in context.environ:
        yield Finding(place, "the environment variable that it names is not set")
        return
    if given[0] == "api_token_file" and _comes_later(text, context):
        return
    try:
        token(given[0], text, context).read()
    except TokenError as error:
        yield Finding(place, str(error))


def _webhook(draft: Draft, account: Place, context: Context) -> Iterator[Finding]:
    place = (*account, "webhook", "secret_file")
    text = draft.text(*place)
    if text is None or _comes_later(text, context):
        return
    try:
        WebhookSecret(context.directory / text).read()
    except TokenError as error:
        yield Finding(place, str(error))


def _comes_later(text: str, context: Context) -> bool:
    """Return whether systemd makes this token file when it starts the service, which does not run yet."""
    path = context.directory / text
    return context.before_start and path.parent.parent == _CREDENTIALS and not path.parent.exists()


def token(key: str, text: str, context: Context) -> Token:
    """Return the token of one of TOKEN_KEYS. An environment variable must be set."""
    if key == "api_token_file":
        return Token(context.directory / text)
    return Token(context.environ[text] if key == "api_token_env" else text)


def _proxy(draft: Draft, account: Place) -> Iterator[Finding]:
    base, proxy = draft.text(*account, "base_url"), draft.text(*account, "proxy_url")
    plain = base is not None and urlsplit(base).scheme == "http"
    if plain and proxy is not None and not is_loopback(urlsplit(proxy).hostname or ""):
        message = "needs a base_url that begins with https://: in plain http the proxy could read the token"
        yield Finding((*account, "proxy_url"), message)


def _tls(draft: Draft, tls: Place, context: Context) -> Iterator[Finding]:
    given = draft.keys(*tls)
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if key in given and other not in given:
            yield Finding((*tls, key), f"needs {other}, which is missing")
    for key in ("ca_file", "cert_file", "key_file"):
        text = draft.text(*tls, key)
        if text is None:
            continue
        try:
            files.read(context.directory / text, _LARGEST_PEM_BYTES)
        except files.Unreadable as error:
            yield Finding((*tls, key), str(error))
