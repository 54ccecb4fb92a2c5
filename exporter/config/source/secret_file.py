"""Read a secret from a file that changes: secrets are rotated while the program runs."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from exporter.config.source import files

_LARGEST_BYTES = 8192
_Stamp = tuple[int, int, int, int, int]


class TokenError(Exception):
    """There is no usable token or secret. The message does not quote it, and is safe to log."""


class SecretFile:
    """A file with a secret, which is read again when it has changed.

    Reading from several threads is safe: the cached secret is replaced as a whole, at worst twice.
    """

    def __init__(self, path: Path, name: str, clean: Callable[[str], str]) -> None:
        """`name` is what messages call the secret. `clean` returns the secret in a text, or raises TokenError."""
        self.path = path
        self._name = name
        self._clean = clean
        self._cached: tuple[_Stamp | None, str] | None = None

    def read(self) -> str:
        """Return the secret. Raises TokenError for a missing or unusable one."""
        found = _stat(self.path)
        stamp = _stamp(found)
        cached = self._cached
        if cached is None or stamp is None or cached[0] != stamp:
            cached = stamp, self._clean(self._content(found))
            self._cached = cached
        return cached[1]

    def stamp(self) -> object:
        """Return a value that changes when the file is written or replaced. It does not depend on the secret."""
        return _stamp(_stat(self.path))

    def _content(self, found: os.stat_result | None) -> str:
        if found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            # A pipe returns its content only once, and a terminal never ends.
            raise TokenError(f"the {self._name}'s file is not a regular file")
        try:
            # Editors on Windows begin a file with a byte order mark.
            return files.read(self.path, _LARGEST_BYTES).decode("utf-8-sig")
        except files.Unreadable as error:
            raise TokenError(f"the {self._name}'s file: {error}") from None
        except UnicodeDecodeError:
            raise TokenError(f"the {self._name}'s file is not text in UTF-8") from None


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
