"""What a scraper accepts: the format and the compression of an answer. Decided from its headers and nothing else.

A header that makes no sense is never an error: the scraper then gets the text format, uncompressed, which all read.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_Name = tuple[str, str | None]
"""A media range or a coding, and the version it is limited to."""

_OPENMETRICS: tuple[_Name, ...] = (
    ("application/openmetrics-text", "1.0.0"),
    ("application/openmetrics-text", None),
    ("application/*", None),
    ("*/*", None),
)
_TEXT: tuple[_Name, ...] = (("text/plain", "0.0.4"), ("text/plain", None), ("text/*", None), ("*/*", None))
_JSON: tuple[_Name, ...] = (("application/json", None),)
_HTML: tuple[_Name, ...] = (("text/html", None), ("text/*", None), ("*/*", None))
_GZIP: tuple[_Name, ...] = (("gzip", None), ("x-gzip", None), ("*", None))
_IDENTITY: tuple[_Name, ...] = (("identity", None), ("*", None))
"""What covers each of them in a header, the most specific first. `x-gzip` is gzip (RFC 9110, 8.4.1.3)."""

_HEADERS = 32
"""How many headers' meanings are remembered: a scraper sends the same ones at each scrape."""

_QUOTED = r'"(?:\\.|[^"\\])*+"?'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})++', re.DOTALL)
_PART = re.compile(rf'(?:[^;"]|{_QUOTED})++', re.DOTALL)
"""What stands between commas, and between semicolons, that are not in quotes."""


@dataclass(frozen=True, slots=True)
class _Range:
    """One element of an Accept or Accept-Encoding header."""

    name: _Name
    quality: float


@functools.lru_cache(maxsize=_HEADERS)
def openmetrics_preferred(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is accepted with a higher quality than text 0.0.4 (RFC 9110, 12.5.1)."""
    ranges = list(_ranges(accept))
    return _quality(ranges, _OPENMETRICS) > _quality(ranges, _TEXT)


@functools.lru_cache(maxsize=_HEADERS)
def json_preferred(accept: str) -> bool:
    """Whether JSON is asked for rather than HTML: with a higher quality, or by its name where HTML is not named."""
    ranges = list(_ranges(accept))
    json, html = _quality(ranges, _JSON), _quality(ranges, _HTML)
    return json > html or (json == html > 0 and all(one.name[0] != "text/html" for one in ranges))


@functools.lru_cache(maxsize=_HEADERS)
def gzip_preferred(accept_encoding: str) -> bool:
    """Whether gzip is accepted, and no less than an answer without compression (RFC 9110, 12.5.3)."""
    ranges = list(_ranges(accept_encoding))
    gzip = _quality(ranges, _GZIP)
    return gzip > 0 and gzip >= _quality(ranges, _IDENTITY)


@functools.lru_cache(maxsize=_HEADERS)
def everything_refused(accept_encoding: str) -> bool:
    """Whether gzip is not accepted, and an answer without compression is excluded, as by `identity;q=0`."""
    ranges = list(_ranges(accept_encoding))
    return _quality(ranges, _GZIP) == 0 and _quality(ranges, _IDENTITY, unnamed=1.0) == 0


def _quality(ranges: Sequence[_Range], names: Sequence[_Name], unnamed: float = 0.0) -> float:
    """The quality under the first of `names` that the header has; `unnamed` where it has none."""
    for name in names:
        qualities = [one.quality for one in ranges if one.name == name]
        if qualities:
            return max(qualities)
    return unnamed


def _ranges(header: str) -> Iterator[_Range]:
    for element in _ELEMENT.findall(header):
        name, *rest = [part.strip() for part in _PART.findall(element)] or [""]
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): _unquoted(value.strip()) for key, _, value in pairs}
        yield _Range((name.lower(), parameters.get("version")), _number(parameters.get("q", "1")))


def _unquoted(value: str) -> str:
    """A parameter's value, whether it came as a token or as a quoted string (RFC 9110, 5.6.4 and 5.6.6)."""
    return re.sub(r"\\(.)", r"\1", value.strip('"')) if value.startswith('"') else value


def _number(quality: str) -> float:
    """A quality as a number from 0 to 1; anything else counts as a refusal."""
    try:
        number = float(quality)
    except ValueError:
        return 0.0
    return number if 0 <= number <= 1 else 0.0
