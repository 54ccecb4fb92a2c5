"""The rate limit."""

from exporter.web.config import RateLimit
from exporter.web.token_bucket import TokenBucket

LIMIT = RateLimit(interval=2.0, burst=3)


def allowed(bucket: TokenBucket, limit: RateLimit | None, now: float, times: int = 10) -> int:
    return sum(bucket.allows(limit, now) for _ in range(times))


def test_a_burst_is_allowed_at_first_and_then_one_request_in_each_interval() -> None:
    bucket = TokenBucket()
    assert allowed(bucket, LIMIT, 100.0) == 3
    assert allowed(bucket, LIMIT, 101.9) == 0
    assert allowed(bucket, LIMIT, 102.0) == 1
    assert allowed(bucket, LIMIT, 106.0) == 2


def test_a_long_silence_gives_no_more_than_a_burst() -> None:
    bucket = TokenBucket()
    allowed(bucket, LIMIT, 0.0)
    assert allowed(bucket, LIMIT, 1e6) == 3


def test_without_a_limit_everything_is_allowed() -> None:
    assert allowed(TokenBucket(), None, 0.0) == 10


def test_with_a_burst_of_0_nothing_is_allowed() -> None:
    bucket = TokenBucket()
    assert allowed(bucket, RateLimit(1.0, 0), 0.0) + allowed(bucket, RateLimit(1.0, 0), 1e6) == 0


def test_a_new_limit_counts_at_once() -> None:
    bucket = TokenBucket()
    assert allowed(bucket, LIMIT, 0.0) == 3
    assert allowed(bucket, RateLimit(2.0, 5), 0.0) == 5
    assert allowed(bucket, None, 0.0) == 10
    assert allowed(bucket, LIMIT, 0.0) == 3
