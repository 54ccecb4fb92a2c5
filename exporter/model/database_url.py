"""The URL of a PostgreSQL database: what is wrong with it, and what of it may be shown. Pure.

It is read as libpq reads it. What could be a part of a password in a wrong place is refused, and messages never quote
the URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

SCHEMES = ("postgresql", "postgres")
_CHARACTERS = re.compile(r"[!-~]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(?:%25[\w.-]+)?\]|%2[Ff][^:]*|/[^:]*")
_HOST_SHOWN = re.compile(r"[A-Za-z0-9_.,/:%-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_DATABASE_SHOWN = re.compile(r"[\w$ .-]+")


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    credentials: str
    hosts: Sequence[tuple[str, str]]
    """Hosts and ports as written, each perhaps empty."""
    database: str
    parameters: Sequence[tuple[str, str]]

    def parameter(self, name: str) -> str:
        """Return the last value of a parameter; the empty text if there is none."""
        return next((value for key, value in reversed(self.parameters) if key == name), "")


def problem(url: str) -> str | None:
    """Return what is wrong with the text as the URL of a database, and the fix; None if nothing is."""
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        return "must begin with postgresql:// or postgres://, and variables are not expanded in it"
    if not _CHARACTERS.fullmatch(url):
        return "has a space or another character that a URL can't have: write it as % and two hexadecimal digits"
    if _PERCENT.search(url):
        return 'has a "%" that two hexadecimal digits do not follow, or "%00": write "%" itself as %25'
    parts = _parts(url)
    if any("@" in text for text in (*(host for host, _ in parts.hosts), parts.database)) or "/" in parts.database:
        return 'has more than one "@" or "/": in a user name or password, write them as %40 and %2F'
    return _hosts_problem(parts) or _database_problem(parts)


def shown(url: str) -> str:
    """Return scheme, host, port and database, without anything else of a URL in which `problem` finds nothing.

    Of another text, nothing is shown but the scheme.
    """
    if problem(url) is not None:
        scheme = url.partition("://")[0]
        return f"{scheme if scheme in SCHEMES else SCHEMES[0]}://"
    parts = _parts(url)
    # Parameters take precedence over what stands before them.
    host = parts.parameter("host") or parts.parameter("hostaddr")
    port = parts.parameter("port")
    if host:
        place = f"{quote(host, safe=',:')}:{port}" if port else quote(host, safe=",:")
    else:
        place = ",".join(f"{name}:{port or number}" if port or number else name for name, number in parts.hosts)
    database = parts.parameter("dbname") or unquote(parts.database)
    return f"{parts.scheme}://{place}/{quote(database)}"


def parameter_names(url: str) -> Sequence[str]:
    """Return the names of the parameters, in their order. A name may be a part of a password in a wrong place."""
    return [name for name, _ in _parts(url).parameters]


def _hosts_problem(parts: _Parts) -> str | None:
    hosts = parts.parameter("host") or parts.parameter("hostaddr")
    if not hosts and not all(name for name, _ in parts.hosts):
        return "must name a host, or the folder of a socket as host=/run/postgresql after a ?"
    if hosts and not _HOST_SHOWN.fullmatch(hosts):
        return "must have a valid host"
    if any(name and not _HOST.fullmatch(name) for name, _ in parts.hosts):
        return "must have a valid host"
    ports = [*(number for _, number in parts.hosts), *parts.parameter("port").split(",")]
    if any(number and not (_PORT.fullmatch(number) and 0 < int(number) < 65536) for number in ports):
        return "must have a port from 1 to 65535, or none: in a user name or password, write : / ? @ as %3A %2F %3F %40"
    return None


def _database_problem(parts: _Parts) -> str | None:
    database = parts.parameter("dbname") or unquote(parts.database)
    if not database:
        return "must name a database: postgresql://user@host:5432/database"
    if not _DATABASE_SHOWN.fullmatch(database):
        return "must have a database whose name has letters, digits, spaces and _ . - $ only"
    return None


def _parts(url: str) -> _Parts:
    scheme, _, rest = url.partition("://")
    before = re.match(r"([^@/]*)@", rest)
    credentials = "" if before is None else before[1]
    rest = rest if before is None else rest[before.end() :]
    rest, _, query = rest.partition("?")
    place, _, database = rest.partition("/")
    hosts = [(name, number) for name, number in map(_host, place.split(","))]
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    parameters = [(unquote(key), unquote(value)) for key, _, value in pairs]
    return _Parts(scheme, credentials, hosts, database, parameters)


def _host(text: str) -> tuple[str, str]:
    if text.startswith("["):
        name, bracket, port = text.partition("]")
        return name + bracket, port.removeprefix(":")
    name, _, port = text.partition(":")
    return name, port
