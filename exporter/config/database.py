"""The URL of a PostgreSQL database for the state, which may hold a password and is never shown."""

from pathlib import Path

from exporter.config.source import files
from exporter.model import database_url
from exporter.model.record import StateError

_LARGEST_BYTES = 8192


class UrlError(Exception):
    """There is no usable URL. The message does not quote it, and is safe to log."""


class DatabaseUrl:
    """The URL of a database, given as text or as the path of a file, which is read at each use: secrets are rotated."""

    def __init__(self, source: str | Path) -> None:
        self._source = source

    def check(self) -> str:
        """Return the URL. Raises UrlError for a missing or unusable one."""
        url = self._source if isinstance(self._source, str) else _content(self._source)
        found = database_url.problem(url)
        if found is not None:
            raise UrlError(found)
        return url

    def read(self) -> str:
        """Return the URL, for a connection. Raises StateError for a missing or unusable one."""
        try:
            return self.check()
        except UrlError as error:
            key = "url" if isinstance(self._source, str) else "url_file"
            raise StateError(f"state.{key}: {error}", passing=key == "url_file") from None

    def shown(self) -> str:
        """Return scheme, host, port and database alone. Raises StateError as `read` does."""
        return database_url.shown(self.read())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatabaseUrl) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    def __repr__(self) -> str:
        return "DatabaseUrl(***)"


def _content(path: Path) -> str:
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A pipe returns its content only once, and a terminal never ends.
        raise UrlError("the file is not a regular file")
    try:
        return files.read(path, _LARGEST_BYTES).decode("utf-8-sig").strip(" \t\r\n")
    except files.Unreadable as error:
        raise UrlError(str(error)) from None
    except UnicodeDecodeError:
        raise UrlError("the file is not text in UTF-8") from None
