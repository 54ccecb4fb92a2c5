"""Download a file that an API offers by a presigned URL.

Whoever has such a URL can read the file. The API's token is not sent along, because the file is on another host.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from exporter.client.client import USER_AGENT
from exporter.client.transport import FileTransport
from exporter.model.hosts import is_loopback
from exporter.model.record import FetchError, Reason

# With such characters, or "%" in it, programs disagree about the host.
_DOUBTFUL = re.compile(r"[\s\\\x00-\x1f\x7f]")
_LOWEST_PORT = 1024
"""Lower ports, except those of HTTP, belong to other services of a machine."""


class SecretUrl:
    """A URL that gives access by itself. It is used and never shown."""

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        """Return the URL, for a request only."""
        return self._url

    def __repr__(self) -> str:
        return "SecretUrl(***)"


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a file that is being downloaded."""

    size: int | None
    """The size in bytes; None if the server does not send it."""
    parts: Iterator[bytes]
    """The content, part by part. Raises FetchError."""


@contextlib.contextmanager
def download(transport: FileTransport, url: SecretUrl, timeout: float) -> Iterator[Body]:
    """Download the file at the URL; `timeout` applies to its head and to each part, in seconds.

    Redirects are not followed. The URL must be https, or http on this machine if the API is there too. Its host must be
    public, or of the same kind as the API's host. Raises FetchError, which never holds the URL.
    """
    target, host = _usable(url, transport.api_host)
    # Not compressed, so that Content-Length is the size of the file.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    with transport.stream(target, host, headers, timeout) as answer:
        if answer.status != 200:
            raise _response_error(answer.status)
        encoded = "Content-Encoding" in answer.headers
        yield Body(None if encoded else _size(answer.headers.get("Content-Length")), answer.parts)


def _usable(url: SecretUrl, api_host: str) -> tuple[str, str]:
    """Return the URL and its host. Raises FetchError for a URL that must not be used."""
    target = url.reveal()
    try:
        parts = urlsplit(target)
        host, named, port = parts.hostname or "", parts.netloc, parts.port
    except ValueError:
        host, named, port = "", "", None
    if not host or "%" in host or _DOUBTFUL.search(target):
        raise FetchError(Reason.MALFORMED, "the file's URL is invalid")
    if "@" in named:
        raise FetchError(Reason.MALFORMED, "the file's URL holds a user name, and is not used")
    local = is_loopback(host) and is_loopback(api_host)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise FetchError(Reason.TLS, "the file's URL is not https, and is not used")
    if port is not None and port not in (80, 443) and port < _LOWEST_PORT:
        raise FetchError(Reason.MALFORMED, "the file's URL has a port of another service, and is not used")
    return target, host


def _response_error(status: int) -> FetchError:
    where = f"the file's server answered {status}"
    if status >= 500:
        return FetchError(Reason.SERVER_ERROR, where, status)
    if 300 <= status < 400:
        where += ": redirects are not followed"
    if status in (403, 404, 410):
        where += ": the file has expired or is gone"
    return FetchError(Reason.CLIENT_ERROR, where, status)


def _size(header: str | None) -> int | None:
    return int(header) if header is not None and re.fullmatch(r"[0-9]{1,15}", header) else None
