"""The URL of a PostgreSQL database: what is wrong with it, and what of it may be shown. Pure.

It is read as libpq reads it. What could be a part of a password in a wrong place is refused, and messages never quote
the URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote, unquote, unquote_to_bytes

SCHEMES = ("postgresql", "postgres")
_CHARACTERS = re.compile(r"[!-~]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+(?:%[\w.-]+)?|[/@][\w./@:-]*")
"""A name, an address, or the folder of a socket, which may be an abstract one."""
_LITERAL = re.compile(r"\[([^\[\]]+)\]")
"""An address of IPv6. libpq reads on after a "[" until its "]", whatever stands between."""
_PORT = re.compile(r"[0-9]{1,5}")
_DATABASE_SHOWN = re.compile(r"[\w$ .-]+")


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
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
    if not _is_utf8(unquote_to_bytes(url)):
        return 'has "%" and digits that are no UTF-8: write "%" itself as %25, and é as %C3%A9'
    parts = _parts(url)
    if "@" in "".join([*(text for host in parts.hosts for text in host), parts.database]) or "/" in parts.database:
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
    names, ports = _names(parts), _ports(parts)
    if len(ports) == 1:
        ports = ports * len(names)
    places = [
        (f"[{name}]" if ":" in name else quote(name, safe="")) + (f":{port}" if port else "")
        for name, port in zip_longest(names, ports[: len(names)], fillvalue="")
    ]
    place = ",".join(places)
    database = parts.parameter("dbname") or unquote(parts.database)
    return f"{parts.scheme}://{place}/{quote(database)}"


def parameter_names(url: str) -> Sequence[str]:
    """Return the names of the parameters, in their order. A name may be a part of a password in a wrong place."""
    return [name for name, _ in _parts(url).parameters]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hosts_problem(parts: _Parts) -> str | None:
    names = _names(parts)
    if not all(names):
        return "must name a host, or the folder of a socket as host=/run/postgresql after a ?"
    if not all(_HOST.fullmatch(name) for name in names) or _has_stray_bracket(parts):
        return "must have a valid host"
    if any(number and not (_PORT.fullmatch(number) and 0 < int(number) < 65536) for number in _ports(parts)):
        return "must have a port from 1 to 65535, or none: in a user name or password, write : / ? @ as %3A %2F %3F %40"
    return None


def _has_stray_bracket(parts: _Parts) -> bool:
    """Return whether there is a bracket that has no other, also where a parameter names the host."""
    return any(bracket in _bare(name) for name, _ in parts.hosts for bracket in "[]")


def _names(parts: _Parts) -> list[str]:
    """Return hosts, addresses and folders of sockets. Parameters take precedence over what stands before them."""
    before = [unquote(_bare(name)) for name, _ in parts.hosts]
    named = parts.parameter("host") or (not any(before) and parts.parameter("hostaddr"))
    return named.split(",") if named else before


def _bare(name: str) -> str:
    """Return a host without the brackets of an address of IPv6."""
    literal = _LITERAL.fullmatch(name)
    return name if literal is None else literal[1]


def _ports(parts: _Parts) -> list[str]:
    return (parts.parameter("port") or ",".join(number for _, number in parts.hosts)).split(",")


def _database_problem(parts: _Parts) -> str | None:
    database = parts.parameter("dbname") or unquote(parts.database)
    if not database:
        return "must name a database: postgresql://user@host:5432/database"
    if not _DATABASE_SHOWN.fullmatch(database):
        return "must have a database whose name has letters, digits, spaces and _ . - $ only"
    return None


def _parts(url: str) -> _Parts:
    scheme, _, rest = url.partition("://")
    credentials = re.match(r"[^@/]*@", rest)
    rest = rest if credentials is None else rest[credentials.end() :]
    rest, _, query = rest.partition("?")
    place, _, database = rest.partition("/")
    hosts = [(name, number) for name, number in map(_host, place.split(","))]
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    parameters = [(unquote(key), unquote(value)) for key, _, value in pairs]
    return _Parts(scheme, hosts, database, parameters)


def _host(text: str) -> tuple[str, str]:
    if text.startswith("["):
        name, bracket, port = text.partition("]")
        return name + bracket, port.removeprefix(":")
    name, _, port = text.partition(":")
    return name, port
