"""JSON as servers send it: one value in it that is out of bounds does not make the whole answer unreadable. Pure."""

import json
import re
from collections.abc import Iterator

from exporter.client.request import JSON

MOST_DEPTH = 100
"""How deep lists and objects may stand in each other in an answer that is too deep for Python to read as it is."""

TOO_DEEP = "nested too deeply"
"""Stands in the place of what is deeper."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
"""A text, a bracket that opens, or one that closes. A text without an end is one token: each character is read once."""


def decode(body: bytes | str) -> JSON:
    """Decode a JSON object or list. Raises ValueError.

    A number of too many digits is infinite, and `NaN` and `Infinity`, which some serializers write, are floats. What is
    nested too deeply is replaced.
    """
    try:
        decoded = _loads(body)
    except RecursionError:
        text = body if isinstance(body, str) else body.decode(json.detect_encoding(body), "surrogatepass")
        decoded = _loads("".join(_shallow(text)))
    if not isinstance(decoded, (dict, list)):
        raise ValueError
    return decoded


def _loads(text: str | bytes) -> JSON:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        # Python reads a few thousand digits.
        return float(digits)


def _shallow(text: str) -> Iterator[str]:
    """The parts of a JSON text without what stands deeper than MOST_DEPTH."""
    depth = begin = 0
    for token in _TOKEN.finditer(text):
        kind = token[0]
        if kind in "[{":
            depth += 1
            if depth == MOST_DEPTH + 1:
                yield text[begin : token.start()]
        elif kind in "]}":
            if depth == MOST_DEPTH + 1:
                yield f'"{TOO_DEEP}"'
                begin = token.end()
            depth -= 1
    if depth <= MOST_DEPTH:
        yield text[begin:]
