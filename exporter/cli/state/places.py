"""Read from a command line where a state is: in a file, or in a PostgreSQL database."""

import re
from pathlib import Path

from exporter.cli.flags import UsageError
from exporter.cli.printing import Printer
from exporter.config import Config
from exporter.config.database import DatabaseUrl, UrlError
from exporter.state import postgres

_EXPECTED = "write the path of a state file, postgresql://… or @FILE with such a URL"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONNINFO = re.compile(r"\b(host|hostaddr|port|dbname|user|password|service)\s*=", re.IGNORECASE)
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@|[?&]password=")


Place = Path | DatabaseUrl
"""The place of a state."""


def name_of(at: Place) -> str:
    """Return the path, or the URL without credentials. Raises StateError for a URL that is not usable any more."""
    return str(at) if isinstance(at, Path) else at.shown()


def place(argument: str, text: str) -> Place:
    """Return the place that an argument of this name says. Raises UsageError, which never quotes the text of a URL."""
    if text.startswith("@") and len(text) > 1:
        # The path is not quoted: it may be a URL with a password.
        return _database(f"{argument}: @FILE", DatabaseUrl(Path(text[1:])))
    if text.startswith(("postgresql://", "postgres://")):
        return _database(argument, DatabaseUrl(text))
    if not text or text == "@":
        raise UsageError(f"{argument}: it is empty: {_EXPECTED}")
    if _URL.match(text) or _CONNINFO.search(text):
        raise UsageError(f"{argument}: it is neither a path nor the URL of a PostgreSQL database: {_EXPECTED}")
    return Path(text)


def warn_of_password(printer: Printer, *texts: str) -> None:
    """Print a warning if an argument is a URL with a password, which other users of the machine can see."""
    if any(_URL.match(text) and _PASSWORD.search(text) for text in texts):
        printer.warning(
            "other users of this machine can read a password in a command line:"
            " write the URL into a file, and give @FILE instead"
        )


def configured(config: Config) -> Place:
    """Return the place of a configuration. Raises UsageError if it keeps no state."""
    if config.database is not None:
        postgres.require()
        return config.database.url
    if config.state_path is None:
        raise UsageError("state.path: it is null, so the state is lost with the exporter: there is nothing to show")
    return config.state_path


def _database(argument: str, url: DatabaseUrl) -> Place:
    postgres.require(argument)
    try:
        problem = postgres.problem(url.check())
    except UrlError as error:
        raise UsageError(f"{argument}: {error}") from None
    if problem is not None:
        raise UsageError(f"{argument}: {problem}")
    return url
