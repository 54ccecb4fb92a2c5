"""The faults of the APIs of a soak, by their names: what happens to one request."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.demo.faults import Fault
from exporter.demo.http_types import Answer
from tests.support import faults, hostile

Make = Callable[[random.Random, str, str], Fault]
"""Makes a fault from random choices, the token, and a mark that must not get out."""


@dataclass(frozen=True, slots=True)
class _Raw(Answer):
    """An answer that is sent as it stands, however wrong: its body has its head."""

    def head(self, length: int | None) -> bytes:
        return b""


def _status(*codes: int) -> Make:
    return lambda rng, token, mark: faults.status(rng.choice(codes), body=f'{{"message": "{mark} {token}"}}'.encode())


def _throttled(rng: random.Random, token: str, mark: str) -> Fault:
    after = rng.choice(["1", "2", "0.5", mark, "-1", "Wed, 21 Oct 2015 07:28:00 GMT"])
    return faults.status(429, {"Retry-After": after})


def _garbage(rng: random.Random, token: str, mark: str) -> Fault:
    bodies = [b"", b"null", b"[]", b'{"items": 3}', b"NaN", b"\xff\xfe", b'{"data": {"a": ' + b"9" * 6000]
    return faults.raw(rng.choice(bodies))


def _hostile(rng: random.Random, token: str, mark: str) -> Fault:
    # Deep JSON has megabytes, and costs what they cost.
    kind = rng.choice([name for name in sorted(hostile.KINDS) if name != "deep-json"])
    return Fault(_Raw(200, hostile.KINDS[kind](token, mark)))


FAULTS: Mapping[str, Make] = {
    "server error": _status(500, 502, 503, 504),
    "client error": _status(400, 404, 405, 422),
    "refused token": _status(401, 403),
    "throttled": _throttled,
    "html": lambda rng, token, mark: faults.html(rng.choice([200, 502, 503])),
    "garbage": _garbage,
    "hostile answer": _hostile,
    "redirect": lambda rng, token, mark: faults.redirect(f"https://{mark}.example/?token={token}"),
    "truncated": lambda rng, token, mark: faults.truncated(),
    "reset": lambda rng, token, mark: faults.reset(),
    "hang": lambda rng, token, mark: faults.hang(),
    "hang in the body": lambda rng, token, mark: faults.drip(rng.choice([0.01, 0.2])),
    "slow": lambda rng, token, mark: faults.latency(rng.uniform(0.2, 2.0)),
}
"""By their names."""
OUTAGES = ("server error", "reset", "hang", "html", "throttled")
"""What an API may be for a while, for all accounts."""
