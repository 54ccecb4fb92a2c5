"""The parameters of a request, understood in the way that the APIs have in common."""

from collections.abc import Mapping


class BadParameter(Exception):
    """A parameter that the API does not take."""


def positive(params: Mapping[str, str], name: str, default: int) -> int:
    """Raises Refused for what is no positive integer."""
    text = params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise BadParameter(f"{name} must be a positive integer")
    return int(text)
