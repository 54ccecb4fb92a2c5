"""Fixtures of the tests of scrapes."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import disable_created_metrics, enable_created_metrics

from tests.support.scrape_scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Yield a store with one exposition of it, without series `_created`, as in the program."""
    off: Callable[[], None] = disable_created_metrics
    on: Callable[[], None] = enable_created_metrics
    off()
    yield Scene()
    on()
