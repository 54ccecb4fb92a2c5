"""The state that the tests of this folder use: each of them runs with every database."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from exporter.state import State
from tests.support.state import PARAMETERS, STATES

MakeState = Callable[[], AbstractContextManager[State]]


@pytest.fixture(params=PARAMETERS)
def make_state(request: pytest.FixtureRequest, tmp_path: Path) -> MakeState:
    """Open the state as a program does; opened again, it is the state of the next program."""
    return lambda: STATES[request.param](tmp_path)


@pytest.fixture
def state(make_state: MakeState) -> Iterator[State]:
    with make_state() as made:
        yield made
