"""A short soak with each kind of state: faults, reloads and kills, and then all is right, and nothing has grown."""

import os
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from tests.support.side_by_side import Results, come_to, side_by_side
from tests.support.soak.configuration import Plan
from tests.support.soak.run import soak
from tests.support.soak.stores import STORES

pytestmark = [pytest.mark.programs, pytest.mark.slow(seconds=60)]

PLAN = Plan(
    seconds=20.0,
    accounts=12,
    poll_interval=2.0,
    scrape_interval=1.0,
    round=10.0,
    records=8,
    patience=300.0,
    workers=16,
    lease_ttl=8.0,
)


def _stage(state: str, folder: Path) -> AbstractContextManager[tuple[str, Path]]:
    return nullcontext((state, folder))


def _short_soak(stage: tuple[str, Path]) -> None:
    state, folder = stage
    # As property tests (tests.support.properties).
    seed = 1 if os.environ.get("CI") else random.randrange(1_000_000)
    report = soak(state, PLAN, seed, folder)
    assert not report.violations, report.text()
    assert report.events
    assert report.judged >= 3
    assert report.processes >= 3


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results[tuple[str, Path]]]:
    stages = ((_stage(state, tmp_path_factory.mktemp(state)), [_short_soak]) for state in STORES)
    with side_by_side(*stages) as found:
        yield found


def test_after_faults_reloads_and_kills_all_is_right_and_nothing_has_grown(
    results: Results[tuple[str, Path]],
) -> None:
    come_to(results, _short_soak)
