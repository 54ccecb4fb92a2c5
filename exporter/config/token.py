"""Read the API token of an account, which is never shown."""

import os
import stat
from pathlib import Path

from exporter.config import placeholder
from exporter.config.source import files

_LARGEST_BYTES = 8192
_Stamp = tuple[int, int, int, int, int]


class TokenError(Exception):
    """There is no usable token. The message does not quote the token, and is safe to log."""


class Token:
    """An API token, given as text or as the path of a file.

    A file is read again when it has changed, because secrets are rotated while the program runs. Reading from several
    threads is safe: the cached token is replaced as a whole, at worst twice.
    """

    def __init__(self, source: str | Path) -> None:
        self._source = source
        self._cached: tuple[_Stamp | None, str] | None = None

    @property
    def is_file(self) -> bool:
        """Whether `read` reads a file."""
        return not isinstance(self._source, str)

    def read(self) -> str:
        """Return the token without surrounding white space. Raises TokenError for a missing or unusable one."""
        if isinstance(self._source, str):
            return _clean(self._source)
        found = _stat(self._source)
        stamp = _stamp(found)
        cached = self._cached
        if cached is None or stamp is None or cached[0] != stamp:
            cached = stamp, _clean(_content(self._source, found))
            self._cached = cached
        return cached[1]

    def stamp(self) -> object:
        """Return a value that changes when the token's file is written or replaced. It does not depend on the token."""
        return None if isinstance(self._source, str) else _stamp(_stat(self._source))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    def __repr__(self) -> str:
        return "Token(***)"


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _stamp(found: os.stat_result | None) -> _Stamp | None:
    """Return values that change when the file is written or replaced, also through a symbolic link as in Kubernetes."""
    if found is None:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(path: Path, found: os.stat_result | None) -> str:
    if found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        # A pipe returns its content only once, and a terminal never ends.
        raise TokenError("the token's file is not a regular file")
    try:
        return files.read(path, _LARGEST_BYTES).decode()
    except files.Unreadable as error:
        raise TokenError(f"the token's file: {error}") from None
    except UnicodeDecodeError:
        raise TokenError("the token's file is not text in UTF-8") from None


def _clean(text: str) -> str:
    token = text.strip(" \t\r\n")
    if not token:
        raise TokenError("the token is empty")
    if "\n" not in token and (found := placeholder.problem(token)):
        raise TokenError(found)
    if not all(" " <= char <= "~" or "\xa0" <= char <= "\xff" for char in token):
        # HTTP headers are latin-1 without control characters (RFC 9110, 5.5).
        raise TokenError("the token has a line break or another character that an HTTP header can't carry")
    return token
