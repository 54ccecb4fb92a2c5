"""Choose the format, the escaping and the compression of a response by the request's headers. Pure.

An invalid header is never an error: the scraper then gets the uncompressed text format, which every scraper reads.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_Name = tuple[str, str | None]
"""A media range or a coding, and its version parameter."""

_ESCAPINGS = ("allow-utf-8", "underscores", "dots", "values")
"""How a scraper may ask for names that are not legacy ones. All of ours are, so each of them gives the same bytes."""

_DEFAULT_ESCAPING = "underscores"
"""The escaping for scrapers that request none or an unknown one, as in client_golang."""

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
"""The names that match each of them in a header, most specific first. `x-gzip` is gzip (RFC 9110, 8.4.1.3)."""

_HEADERS = 32
"""The number of headers in the cache: a scraper sends the same ones at each scrape."""

_QUOTED = r'"(?:\\.|[^"\\])*+"?'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})++', re.DOTALL)
_PART = re.compile(rf'(?:[^;"]|{_QUOTED})++', re.DOTALL)
"""Text between commas, and between semicolons, outside of quotes."""


@dataclass(frozen=True, slots=True)
class _Range:
    """One element of an Accept or Accept-Encoding header."""

    name: _Name
    quality: float
    escaping: str = ""
    """One of `_ESCAPINGS`; empty if it names none or an unknown one."""


@functools.lru_cache(maxsize=_HEADERS)
def escaping(accept: str) -> str:
    """Return the escaping scheme of the response, as client_golang chooses it: always a known one.

    It is the one that the accepted range names, or else the last one named before in the order of preference.
    """
    names = _OPENMETRICS if openmetrics_preferred(accept) else _TEXT
    found = _DEFAULT_ESCAPING
    accepted = (element for element in _ranges(accept) if element.quality > 0)
    for element in sorted(accepted, key=lambda element: (-element.quality, element.name[0].count("*"))):
        found = element.escaping or found
        if element.name in names:
            break
    return found


@functools.lru_cache(maxsize=_HEADERS)
def openmetrics_preferred(accept: str) -> bool:
    """Return whether OpenMetrics 1.0.0 is accepted with a higher quality than text 0.0.4 (RFC 9110, 12.5.1)."""
    ranges = list(_ranges(accept))
    return _quality(ranges, _OPENMETRICS) > _quality(ranges, _TEXT)


@functools.lru_cache(maxsize=_HEADERS)
def json_preferred(accept: str) -> bool:
    """Return whether JSON is preferred to HTML: a higher quality, or JSON is named and HTML is not."""
    ranges = list(_ranges(accept))
    json, html = _quality(ranges, _JSON), _quality(ranges, _HTML)
    return json > html or (json == html > 0 and all(media_range.name[0] != "text/html" for media_range in ranges))


@functools.lru_cache(maxsize=_HEADERS)
def gzip_preferred(accept_encoding: str) -> bool:
    """Return whether gzip is accepted with at least the quality of no compression (RFC 9110, 12.5.3)."""
    ranges = list(_ranges(accept_encoding))
    gzip = _quality(ranges, _GZIP)
    return gzip > 0 and gzip >= _quality(ranges, _IDENTITY)


@functools.lru_cache(maxsize=_HEADERS)
def everything_refused(accept_encoding: str) -> bool:
    """Return whether neither gzip nor an uncompressed response is accepted, as with `identity;q=0`."""
    ranges = list(_ranges(accept_encoding))
    return _quality(ranges, _GZIP) == 0 and _quality(ranges, _IDENTITY, unnamed=1.0) == 0


def _quality(ranges: Sequence[_Range], names: Sequence[_Name], unnamed: float = 0.0) -> float:
    """Return the quality of the first of `names` in the header; `unnamed` if it has none."""
    for name in names:
        qualities = [element.quality for element in ranges if element.name == name]
        if qualities:
            return max(qualities)
    return unnamed


def _ranges(header: str) -> Iterator[_Range]:
    for element in _ELEMENT.findall(header):
        name, *rest = [part.strip() for part in _PART.findall(element)] or [""]
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): _unquoted(value.strip()) for key, _, value in pairs}
        known = parameters.get("escaping", "")
        yield _Range(
            (name.lower(), parameters.get("version")),
            _number(parameters.get("q", "1")),
            known if known in _ESCAPINGS else "",
        )


def _unquoted(value: str) -> str:
    """Return a parameter's value, given as a token or a quoted string (RFC 9110, 5.6.4 and 5.6.6)."""
    return re.sub(r"\\(.)", r"\1", value.strip('"')) if value.startswith('"') else value


def _number(quality: str) -> float:
    """Return a quality from 0 to 1; anything else counts as 0."""
    try:
        number = float(quality)
    except ValueError:
        return 0.0
    return number if 0 <= number <= 1 else 0.0
