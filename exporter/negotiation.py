"""What a scraper accepts: the format and the compression of an answer. Decided from its headers and nothing else.

A header that makes no sense is never an error: the scraper then gets the text format, uncompressed, which all read.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_VERSIONS = (None, "1.0.0")
_TEXT = ("text/plain", "text/*", "*/*")
"""The ranges that cover the text format, the most specific first."""


@dataclass(frozen=True, slots=True)
class _Range:
    """One element of an Accept or Accept-Encoding header."""

    name: str
    quality: float
    version: str | None


def openmetrics_preferred(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is accepted with a higher quality than the text format (RFC 9110, 12.5.1)."""
    ranges = list(_ranges(accept))
    offered = [r.quality for r in ranges if r.name == _OPENMETRICS and r.version in _OPENMETRICS_VERSIONS]
    return max(offered, default=0.0) > _quality(ranges, _TEXT)


def json_preferred(accept: str) -> bool:
    """Whether JSON is asked for rather than HTML: with a higher quality, or by its name where HTML is not named."""
    ranges = list(_ranges(accept))
    json, html = _quality(ranges, ("application/json",)), _quality(ranges, ("text/html", "text/*", "*/*"))
    return json > html or (json == html > 0 and all(r.name != "text/html" for r in ranges))


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether gzip is accepted, by name or by `*` (RFC 9110, 12.5.3)."""
    return _quality(list(_ranges(accept_encoding)), ("gzip", "*")) > 0


def _quality(ranges: list[_Range], names: tuple[str, ...]) -> float:
    """The quality under the first of `names` that the header has; 0 where it has none."""
    for name in names:
        qualities = [r.quality for r in ranges if r.name == name]
        if qualities:
            return max(qualities)
    return 0.0


def _ranges(header: str) -> Iterator[_Range]:
    for element in header.split(","):
        name, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        yield _Range(name.lower(), _number(parameters.get("q", "1")), parameters.get("version"))


def _number(quality: str) -> float:
    """A quality as a number from 0 to 1; anything else counts as a refusal."""
    try:
        number = float(quality)
    except ValueError:
        return 0.0
    return number if 0 <= number <= 1 else 0.0
