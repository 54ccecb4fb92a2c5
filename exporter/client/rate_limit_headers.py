"""Read what an answer says of the API's own rate limit: `RateLimit` and `X-RateLimit-*` in their many spellings. Pure.

Nothing here raises an error: a header that can't be understood is ignored.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.client.retry import http_date, read_date

_LONGEST_HEADER = 1024
"""A longer value is ignored."""
_LONGEST_RESET_SECONDS = 32 * 86400.0
"""A reset later than that is no reset."""
_FIRST_EPOCH = 1e9
"""Smaller numbers are seconds from now, larger ones a Unix time."""
_FIRST_EPOCH_MILLISECONDS = 1e11

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,9})?")
_NO_LIMIT = re.compile(r"0+|-[0-9]{1,15}")
_QUOTA = re.compile(r"([0-9]{1,15})(?:\s*,\s*[0-9]{1,15}\s*;\s*w=[0-9]{1,15}[^,]*)+")
"""The limit before the policies that it is taken from, as in `10, 10;w=1, 50;w=60`."""
_BARE = r'"(?:[^"\\]|\\.)*"|:[A-Za-z0-9+/=]*:|[^\s",;=:][^\s",;=]*'
_MEMBER = re.compile(rf"\s*({_BARE})((?:\s*;\s*[a-z*][a-z0-9_.*-]*(?:=(?:{_BARE}))?)*)\s*(?:,|$)")
"""A member of a list of structured fields (RFC 9651): an item and its parameters."""
_PARAMETER = re.compile(rf";\s*([a-z*][a-z0-9_.*-]*)(?:=({_BARE}))?")


@dataclass(frozen=True, slots=True)
class ApiLimit:
    """The rate limit of an API, as an answer states it. What the answer does not state is None."""

    limit: float | None = None
    """Requests that a window allows."""
    remaining: float | None = None
    """Requests that are left in this window."""
    reset_in: float | None = None
    """Seconds until the window ends."""

    def hold(self, under_way: int, refused: bool) -> float | None:
        """Return the seconds for which to start no request; None if there is no need.

        `under_way` is the requests that have begun and are not answered: the API may not have counted them yet.
        `refused` is whether the answer is a 429.
        """
        used_up = refused or (self.remaining is not None and self.remaining - under_way < 1)
        return self.reset_in if used_up else None


def api_limit(headers: Mapping[str, str], now: float) -> ApiLimit | None:
    """Return the rate limit that the headers state; None if they state none.

    Of several limits the tightest counts: the one with the fewest requests left. `now`, in epoch seconds, is used for
    resets that are a moment where the answer has no Date: the clocks of the two machines may differ.
    """
    found: dict[str, str] = {}
    for key in headers:
        if name := _name(key):
            value = headers[key]
            # Two spellings of one header are like a header that is repeated.
            found[name] = f"{found[name]}, {value}" if name in found else value
    if not found:
        return None
    now = server_time(headers, now)
    stated = [limit for limit in (*_standard(found, now), *_classic(found, now)) if limit is not None]
    return min(stated, key=_tightness, default=None)


def server_time(headers: Mapping[str, str], now: float) -> float:
    """Return when the answer was made, epoch seconds, by the API's own clock; `now` if it does not say."""
    return _moment(headers.get("Date", "")) or now


def _name(key: str) -> str:
    """Return the header's name without its spelling: `x-rate-limit-reset` for `X-RateLimit-Reset`; or nothing."""
    lower = key.lower()
    if "limit" not in lower:
        return ""
    lower = lower.replace("ratelimit", "rate-limit").replace("_", "-")
    return lower if lower.startswith(("rate-limit", "x-rate-limit")) else ""


def _tightness(limit: ApiLimit) -> tuple[float, float]:
    remaining = float("inf") if limit.remaining is None else limit.remaining
    return remaining, -(limit.reset_in or 0.0)


def _classic(found: Mapping[str, str], now: float) -> Iterator[ApiLimit | None]:
    """Yield the limits of headers with a number each. Of a repeated header nobody knows which value holds."""
    for prefix in ("rate-limit-", "x-rate-limit-"):
        limit, remaining, reset = (found.get(prefix + word, "").strip() for word in ("limit", "remaining", "reset"))
        quota = _QUOTA.fullmatch(limit) if len(limit) <= _LONGEST_HEADER else None
        yield _stated(quota[1] if quota else limit, remaining, reset, now)


def _standard(found: Mapping[str, str], now: float) -> Iterator[ApiLimit | None]:
    """Yield the limits of the IETF's `RateLimit`: `limit=10, remaining=5, reset=3` once, `"name";r=5;t=3` today."""
    for prefix in ("rate-limit", "x-rate-limit"):
        text = found.get(prefix, "")
        dictionary = _dictionary(text)
        if dictionary is not None:
            limit, remaining, reset = (dictionary.get(word, "") for word in ("limit", "remaining", "reset"))
            yield _stated(limit, remaining, reset, now)
            continue
        policies = dict(_members(found.get(f"{prefix}-policy", "")))
        for name, parameters in _members(text):
            policy = policies.get(name, {})
            # A quota may be of bytes or of parallel requests.
            if policy.get("qu", '"requests"') == '"requests"':
                yield _stated(policy.get("q", ""), parameters.get("r", ""), parameters.get("t", ""), now)


def _dictionary(text: str) -> Mapping[str, str] | None:
    """Return the entries of `limit=10, remaining=5, reset=3`; None for another form or repeated entries."""
    pairs = [part.partition("=") for part in text[: _LONGEST_HEADER + 1].split(",")]
    entries = {key.strip().lower(): value.partition(";")[0].strip() for key, _, value in pairs}
    if len(text) > _LONGEST_HEADER or "remaining" not in entries or len(entries) < len(pairs):
        return None
    return entries


def _members(text: str) -> Iterable[tuple[str, Mapping[str, str]]]:
    """Return the members of a list, each with its parameters; none if any of the text can't be read."""
    members: list[tuple[str, Mapping[str, str]]] = []
    text, place = text.strip(), 0
    while place < len(text) <= _LONGEST_HEADER:
        found = _MEMBER.match(text, place)
        if found is None:
            return []
        members.append((found[1], {key: value or "" for key, value in _PARAMETER.findall(found[2])}))
        place = found.end()
    return members


def _stated(limit: str, remaining: str, reset: str, now: float) -> ApiLimit | None:
    """Return the limit that these values state; None if they say nothing of how much is allowed or left."""
    # An API that answers has no limit of 0 or less: such a limit is ignored, and so is 0 remaining of it.
    allowed, left = _number(limit) or None, _number(remaining)
    if left == 0 and _NO_LIMIT.fullmatch(limit):
        left = None
    wait = _reset(reset, now)
    if allowed is None and left is None and wait is None:
        return None
    return ApiLimit(allowed, None if left is None else float(int(left)), wait)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _reset(text: str, now: float) -> float | None:
    """Return the seconds until a reset, which is given in seconds, as a Unix time in s or ms, or as a date."""
    number = _number(text)
    if number is None:
        moment = _moment(text)
        seconds = None if moment is None else moment - now
    elif number >= _FIRST_EPOCH:
        seconds = (number / 1000 if number >= _FIRST_EPOCH_MILLISECONDS else number) - now
    else:
        seconds = number
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST_RESET_SECONDS else None


def _moment(text: str) -> float | None:
    """Return an HTTP or ISO 8601 date in epoch seconds; None if it is no date."""
    return read_date(text, http_date, datetime.fromisoformat)
