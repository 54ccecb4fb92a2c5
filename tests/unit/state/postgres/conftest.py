"""Databases for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Server


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """Yield the name of an empty database."""
    name = postgres.database()
    yield name
    postgres.drop(name)
