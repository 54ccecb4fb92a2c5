"""Headers that scrapers and APIs send."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from requests.structures import CaseInsensitiveDict

from exporter.client.rate_limit_headers import api_limit
from exporter.client.retry import RETRY_AFTER_MAX_SECONDS, retry_after
from exporter.exposition.negotiation import (
    escaping,
    everything_refused,
    gzip_preferred,
    json_preferred,
    openmetrics_preferred,
)
from exporter.exposition.scrape import content_type
from exporter.web.server.basic_auth import credentials
from tests.fuzz.mutators import BYTES, lines, spliced, words
from tests.fuzz.target import Target

_NOW = 1_700_000_000.0
_DAYS = 32 * 86_400.0


def _accept(data: bytes) -> None:
    header = data.decode("latin-1")
    assert escaping(header) in ("allow-utf-8", "underscores", "dots", "values")
    assert content_type(header).isprintable()
    answers = [
        openmetrics_preferred(header),
        json_preferred(header),
        gzip_preferred(header),
        everything_refused(header),
    ]
    assert all(isinstance(answer, bool) for answer in answers)
    assert not (gzip_preferred(header) and everything_refused(header))
    credentials(data)


def _retry_after(data: bytes) -> None:
    pause = retry_after(data.decode("latin-1"), _NOW)
    assert pause is None or (0 <= pause <= RETRY_AFTER_MAX_SECONDS and pause == int(pause))


def _rate_limit(data: bytes) -> None:
    pairs = (line.partition(":") for line in data.decode("latin-1").splitlines())
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict((name, value.strip()) for name, _, value in pairs)
    limit = api_limit(headers, _NOW)
    if limit is None:
        return
    assert limit.limit is None or 0 < limit.limit < 1e16
    assert limit.remaining is None or (0 <= limit.remaining < 1e16 and limit.remaining == int(limit.remaining))
    assert limit.reset_in is None or 0 <= limit.reset_in <= _DAYS
    for refused in (True, False):
        pause = limit.hold(1, refused)
        assert pause is None or pause == limit.reset_in


_ACCEPT = (
    b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    b'text/html, application/json;q="0.5", */*;q=0',
    b"gzip;q=1.0, identity;q=0, *;q=0.5",
    b"Basic dXNlcjpwYXNzd29yZA==",
)
_DATES = (
    b"120",
    b"1.5, 3",
    b"Tue, 14 Nov 2023 22:13:50 GMT",
    b"Tuesday, 14-Nov-23 22:13:50 GMT, 7",
    b"2023-11-14T22:13:50Z",
)
_LIMITS = (
    b"X-RateLimit-Limit: 100\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1700000060",
    b'RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400\nRateLimit: "burst";r=0;t=30',
    b"RateLimit: limit=10, remaining=5, reset=3\nDate: Tue, 14 Nov 2023 22:13:50 GMT",
    b"X-Rate-Limit-Limit: 10, 10;w=1, 50;w=60\nX_RateLimit_Remaining: 1\nRateLimit-Reset: 2023-11-14T22:13:50Z",
)
_WORDS = words(
    *(
        ";",
        ",",
        "=",
        '"',
        "\\",
        "q=",
        "q=0",
        "q=nan",
        "q=inf",
        "version=",
        "escaping=",
        "*/*",
        "*",
        "gzip",
        "identity",
        " ",
        "\t",
        "/",
    ),
    *(
        "Mon,",
        "GMT",
        "+9999",
        "-0000",
        "9999-12-31T23:59:59Z",
        "0001-01-01",
        "24:60:60",
        "r=",
        "t=",
        "w=",
        "qu=",
        ":",
        "1e9",
        "\xa0",
    ),
)


def _target(
    name: str, check: Callable[[bytes], None], separator: bytes, *seeds: bytes
) -> Callable[[], AbstractContextManager[Target]]:
    @contextmanager
    def opened() -> Iterator[Target]:
        yield Target(name, check, seeds, (*BYTES, _WORDS, _WORDS, _WORDS, lines(separator), spliced(seeds)))

    return opened


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {
    "accept": _target("accept", _accept, b",", *_ACCEPT),
    "retry-after": _target("retry-after", _retry_after, b",", *_DATES),
    "rate-limit": _target("rate-limit", _rate_limit, b"\n", *_LIMITS),
}
