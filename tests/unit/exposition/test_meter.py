"""The lines about an account's requests: as the library would render them, and again only when they change."""

from collections.abc import Callable

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from exporter.exposition.scrape import OPENMETRICS, TEXT, Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore

ENCODERS: dict[str, Callable[[Collector], bytes]] = {
    TEXT: generate_latest,
    OPENMETRICS: openmetrics_exposition.generate_latest,
}


@pytest.fixture
def live() -> SelfMetrics:
    return SelfMetrics("1", "abc", SnapshotStore())


def without_the_process(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if b"process_" not in line and b"python_" not in line]


@pytest.mark.parametrize("accept", ENCODERS)
@pytest.mark.parametrize("accounts", [[], ['a \\ "b" \n c'], ["b", "a"]])
def test_a_scrape_has_the_bytes_of_the_library(live: SelfMetrics, accept: str, accounts: list[str]) -> None:
    for account in accounts:
        meter = live.meter(account, "inkit")
        meter.expect(["/batch", "/invoke"])
        meter.answered("/batch", "503", 0.2)
        meter.answered("/batch", "200", 0.2)
        meter.throttled(1.5)
    ours = b"".join(Exposition(SnapshotStore(), (), live.registry).render(accept).chunks)
    assert without_the_process(ours) == without_the_process(ENCODERS[accept](live.registry))
    assert ours.count(b'code="503"') == len(accounts)


def test_the_lines_of_an_account_are_rendered_again_only_when_something_was_counted(live: SelfMetrics) -> None:
    meter = live.meter("prod", "inkit")
    meter.expect(["/batch"])
    first = meter.blocks()
    meter.throttled(0.0)
    assert meter.blocks() is first
    meter.answered("/batch", "200", 0.1)
    second = meter.blocks()
    assert b'code="200",endpoint="/batch",system="inkit"} 1.0' in second["batch_exporter_api_requests_total"].text
    meter.throttled(0.5)
    assert meter.blocks()["batch_exporter_api_throttled_seconds_total"].text.endswith(b" 0.5\n")


def test_what_is_counted_beside_a_rendering_is_in_the_next_one(live: SelfMetrics) -> None:
    meter = live.meter("prod", "inkit")
    for number in range(1, 4):
        meter.answered("/batch", "200", 0.1)
        assert meter.blocks()["batch_exporter_api_requests_total"].text.endswith(f" {number}.0\n".encode())
