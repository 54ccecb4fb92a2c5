"""Parsing of request parameters that the APIs have in common."""

from collections.abc import Mapping


class BadParameter(Exception):
    """A parameter that the API does not accept."""


def positive(params: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter as a positive integer. Raises BadParameter."""
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise BadParameter(f"{name} must be a positive integer")
    return int(text)
