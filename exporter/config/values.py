"""Validate single values, with functions that return the value or raise ValueError.

The messages are for operators. They never quote the value, which may be a token or password in a wrong place.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from exporter.model.hosts import is_loopback

NAME_LENGTH = 100
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_NOT_IN_AN_ID = re.compile(r"[/?#%\s]")


def text(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    if not value.isprintable():
        raise ValueError("must not have control characters or line breaks")
    return value


def name(value: str) -> str:
    """Validate an account's name, which becomes a label value."""
    if text(value) != value.strip():
        raise ValueError("must not begin or end with a space")
    if len(value) > NAME_LENGTH:
        raise ValueError(f"must be at most {NAME_LENGTH} characters")
    return value


def batch_id(value: str) -> str:
    """Validate the ID of a batch, which becomes a part of a URL's path."""
    if _NOT_IN_AN_ID.search(text(value)) or value in {".", ".."}:
        raise ValueError('must be the ID alone, without "/", "?", "#", "%" or spaces')
    return value


def base_url(value: str) -> str:
    """Validate the URL of an API, and return it without a slash at its end."""
    parts = _url(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password; the API token has a key of its own")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://: in plain http, which is for loopback only, the token could be read")
    return value.rstrip("/")


def proxy_url(value: str) -> str:
    if _url(value).path.strip("/"):
        raise ValueError("must not have a path")
    return value


def _url(value: str) -> SplitResult:
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with https:// or http://")
    if not _URL_CHARACTERS.fullmatch(value):
        raise ValueError("has a character that a URL can't have")
    if "?" in value or "#" in value:
        raise ValueError('must not have a query ("?") or a fragment ("#")')
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("must have a valid host") from None
    _host(parts)
    return parts


def _host(parts: SplitResult) -> None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("must have a port from 1 to 65535, or none")
    host = parts.hostname or ""
    if not host:
        raise ValueError("must have a host")
    if not (_is_ipv6(host) if "[" in parts.netloc else _HOST.fullmatch(host)):
        raise ValueError("must have a valid host")


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
