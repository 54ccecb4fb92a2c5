"""A mock API that counts requests, says how many are left, and refuses more."""

import pytest
import requests

from exporter.demo.http_types import Answer
from exporter.demo.rate_limit import RateLimit
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import TOKEN
from tests.support.patience import GENEROUS

NOW = 1_700_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def test_so_many_requests_are_answered_in_each_window() -> None:
    clock = Clock()
    limit = RateLimit(2, 10, clock=clock)

    def asked() -> tuple[int, str, str]:
        answer = limit.apply(Answer(200))
        return answer.status, answer.headers["X-RateLimit-Remaining"], answer.headers["X-RateLimit-Reset"]

    assert [asked(), asked(), asked()] == [(200, "1", "10"), (200, "0", "10"), (429, "0", "10")]
    clock.now += 9.5
    assert asked() == (429, "0", "1")
    clock.now += 0.5
    assert asked() == (200, "1", "10")


@pytest.mark.parametrize(
    ("style", "headers"),
    [
        ("epoch", {"X-RateLimit-Reset": "1700000010"}),
        ("milliseconds", {"X-RateLimit-Reset": "1700000010000"}),
        ("date", {"X-RateLimit-Reset": "Tue, 14 Nov 2023 22:13:30 GMT"}),
        ("dictionary", {"RateLimit": "limit=2, remaining=1, reset=10"}),
        ("policy", {"RateLimit": '"default";r=1;t=10', "RateLimit-Policy": '"default";q=2;w=10'}),
    ],
)
def test_the_limit_is_stated_as_apis_do(style: str, headers: dict[str, str]) -> None:
    answer = RateLimit(2, 10, style, Clock()).apply(Answer(404))  # type: ignore[arg-type]
    assert answer.status == 404
    assert headers.items() <= answer.headers.items()


def test_every_request_to_the_server_counts() -> None:
    with MockApi(World(), TOKEN, rate_limit=RateLimit(1, 1000)) as mock_api:
        asked = [
            requests.get(mock_api.url + path, headers={"X-Inkit-API-Token": TOKEN}, timeout=GENEROUS)
            for path in ("/none", "/batch")
        ]
    assert [answer.status_code for answer in asked] == [404, 429]
    assert asked[1].headers["X-RateLimit-Limit"] == "1"
