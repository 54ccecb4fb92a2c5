"""Fetching a file that an API offers by a presigned URL. Where the file goes is not known here.

Such a URL opens the file to whoever has it. The API's token is not sent with it: the file is on another host.
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

# Of such characters programs disagree on what the host is.
_DOUBTFUL = re.compile(r"[\s\\\x00-\x1f\x7f]")
_LOWEST_PORT = 1024
"""Below, but for those of HTTP, are the ports of a machine's other services."""


class SecretUrl:
    """A URL that is itself a key: it is used and never shown."""

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return "SecretUrl(***)"


@dataclass(frozen=True, slots=True)
class Body:
    """A file on its way."""

    size: int | None
    """In bytes, where the server says it."""
    parts: Iterator[bytes]
    """Raises FetchError."""


@contextlib.contextmanager
def download(transport: FileTransport, url: SecretUrl, deadline: float) -> Iterator[Body]:
    """The file behind the URL; its head, and then each part, has `deadline` seconds.

    Raises FetchError, which never holds the URL. Redirects are not followed. The URL must be https, or http to this
    machine where the API is on it too; it must lead to a public host, or to one of the kind that the API's is of.
    """
    target, host = _usable(url, transport.api_host)
    # Unencoded, so that the size in the head is that of the file.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    with transport.stream(target, host, headers, deadline) as answer:
        if answer.status != 200:
            raise _refusal(answer.status)
        encoded = "Content-Encoding" in answer.headers
        yield Body(None if encoded else _size(answer.headers.get("Content-Length")), answer.parts)


def _usable(url: SecretUrl, api_host: str) -> tuple[str, str]:
    """The URL, and its host."""
    target = url.reveal()
    try:
        parts = urlsplit(target)
        host, named, port = parts.hostname or "", parts.netloc, parts.port
    except ValueError:
        host, named, port = "", "", None
    if not host or _DOUBTFUL.search(target):
        raise FetchError(Reason.MALFORMED, "the file's URL is none")
    if "@" in named:
        raise FetchError(Reason.MALFORMED, "the file's URL holds a user name, and is not used")
    local = is_loopback(host) and is_loopback(api_host)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise FetchError(Reason.TLS, "the file's URL is not https, and is not used")
    if port is not None and port not in (80, 443) and port < _LOWEST_PORT:
        raise FetchError(Reason.MALFORMED, "the file's URL has a port of another service, and is not used")
    return target, host


def _refusal(status: int) -> FetchError:
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
