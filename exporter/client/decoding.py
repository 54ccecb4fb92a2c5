"""Decode JSON so that one value out of bounds does not make the whole answer unreadable. Pure."""

import json
import re
from collections.abc import Iterator

from exporter.client.request import JSON

MOST_DEPTH = 100
"""Levels of lists and objects that are kept of an answer that is nested too deeply for Python."""

TOO_DEEP = "nested too deeply"
"""Replaces deeper values."""

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
"""Matches a string or a bracket. A string without an end is one token, so each character is read once."""


def as_text(body: bytes | bytearray) -> str:
    """Return the text of JSON in any encoding that JSON may have.

    Bytes that are wrong are replaced. They are part of one value, most often of a name that was cut in the middle of a
    character, and must not cost all other records.
    """
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body.decode(encoding, "replace")


def decode(body: bytes | str) -> JSON:
    """Return a decoded JSON object or list. Raises ValueError for anything else.

    A number of too many digits becomes infinite. `NaN` and `Infinity`, which some serializers write, become floats, and
    control characters are accepted in strings. Values that are nested too deeply are replaced.
    """
    text = body if isinstance(body, str) else as_text(body)
    try:
        decoded = _loads(text)
    except RecursionError:
        decoded = _loads("".join(_shallow(text)))
    if not isinstance(decoded, (dict, list)):
        raise ValueError
    return decoded


def _loads(text: str) -> JSON:
    try:
        return json.loads(text)
    except ValueError:
        # Python limits the number of digits. A function for each integer takes half the time again.
        return json.loads(text, parse_int=_integer, strict=False)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _shallow(text: str) -> Iterator[str]:
    """Yield the parts of a JSON text, with deeper values than MOST_DEPTH replaced."""
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
