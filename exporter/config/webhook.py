"""Read the secret of an account's webhooks, which is never shown."""

from pathlib import Path

from exporter.config import placeholder
from exporter.config.source.secret_file import SecretFile, TokenError


class WebhookSecret:
    """The secret that signs the webhooks of an account, in a file that is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._file = SecretFile(path, "secret", _clean)

    def read(self) -> bytes:
        """Return the secret without surrounding white space. Raises TokenError for a missing or unusable one."""
        return self._file.read().encode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebhookSecret) and self._file.path == other._file.path

    def __hash__(self) -> int:
        return hash(self._file.path)

    def __repr__(self) -> str:
        return "WebhookSecret(***)"


def _clean(text: str) -> str:
    secret = text.strip(" \t\r\n")
    if not secret:
        raise TokenError("the secret is empty: put the secret of the webhook into the file")
    if not secret.isprintable():
        raise TokenError("the secret has a line break or another control character: put the secret alone into the file")
    if placeholder.stands_for_another(secret):
        raise TokenError("the secret is a placeholder or the name of a variable: put the secret itself into the file")
    return secret
