"""Read the API token of an account, which is never shown."""

from pathlib import Path

from exporter.config import placeholder
from exporter.config.source.secret_file import SecretFile, TokenError

__all__ = ["Token", "TokenError"]


class Token:
    """An API token, given as text or as the path of a file, which is read again when it has changed."""

    def __init__(self, source: str | Path) -> None:
        self._source = source
        self._file = None if isinstance(source, str) else SecretFile(source, "token", _clean)

    @property
    def is_file(self) -> bool:
        """Whether `read` reads a file."""
        return self._file is not None

    def read(self) -> str:
        """Return the token without surrounding white space. Raises TokenError for a missing or unusable one."""
        return _clean(str(self._source)) if self._file is None else self._file.read()

    def stamp(self) -> object:
        """Return a value that changes when the token's file is written or replaced. It does not depend on the token."""
        return None if self._file is None else self._file.stamp()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    def __repr__(self) -> str:
        return "Token(***)"


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
