"""Fetching a file that an API offers by a presigned URL. Where the file goes is not known here.

Such a URL opens the file to whoever has it. The API's token is not sent with it: the file is on another host.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from exporter.client.client import USER_AGENT
from exporter.client.transport import Transport
from exporter.loopback import is_loopback
from exporter.records import FetchError, Reason

# Of such characters programs disagree on what the host is.
_DOUBTFUL = re.compile(r"[\s\\\x00-\x1f\x7f]")


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
def download(transport: Transport, url: SecretUrl, deadline: float) -> Iterator[Body]:
    """The file behind the URL; its head, and then each part, has `deadline` seconds.

    Raises FetchError, which never holds the URL. Redirects are not followed.
    """
    target = _usable(url)
    # Unencoded, so that the size in the head is that of the file.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    with transport.stream(target, headers, deadline) as answer:
        if answer.status != 200:
            raise _refusal(answer.status)
        encoded = "Content-Encoding" in answer.headers
        yield Body(None if encoded else _size(answer.headers.get("Content-Length")), answer.parts)


def _usable(url: SecretUrl) -> str:
    target = url.reveal()
    try:
        parts = urlsplit(target)
        host, named = parts.hostname or "", parts.netloc
    except ValueError:
        host, named = "", ""
    if not host or _DOUBTFUL.search(target):
        raise FetchError(Reason.MALFORMED, "the file's URL is none")
    if "@" in named:
        raise FetchError(Reason.MALFORMED, "the file's URL holds a user name, and is not used")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise FetchError(Reason.TLS, "the file's URL is not https, and is not used")
    return target


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
