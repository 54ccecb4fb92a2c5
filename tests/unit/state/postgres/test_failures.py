"""The last failures of many accounts, read from a real PostgreSQL at once."""

from pathlib import Path

import psycopg
import pytest

from exporter.model.totals import Failed
from exporter.state.postgres.database import opened
from exporter.state.postgres.failures import last_failures
from tests.support import postgres

pytestmark = pytest.mark.programs


def test_failures_are_read_with_the_series_that_they_raised_the_last_ones_first() -> None:
    url = postgres.prepared(Path("failures"))
    with opened(lambda: url, "the database", pool_size=1) as state:
        state.prepare()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("TRUNCATE collectors, series, records, failures")
            for name in ("a", "b", 'c"{\\'):
                row = connection.execute(
                    "INSERT INTO collectors (account, collector) VALUES (%s, 'runs') RETURNING id", (name,)
                ).fetchone()
                assert row is not None
                connection.execute(
                    "INSERT INTO series (collector, number, key, total, events, published)"
                    ' VALUES (%s, 7, %s, 0, 1, 1), (%s, 8, \'["f", "other"]\', 0, 1, 1)',
                    (row[0], f'["f", "{name[0]}"]', row[0]),
                )
                connection.execute(
                    "INSERT INTO failures (collector, id, turn, created_at, at, amounts, workflow)"
                    " SELECT %s, 'r' || n, n, n, n + 0.5, '7:2 9:1', NULL FROM generate_series(1, 3) n",
                    (row[0],),
                )

        def read(accounts: list[str], most: int) -> list[tuple[str, str, Failed]]:
            return [tuple(row) for row in state.pool.submit(last_failures(accounts, most)).result()]  # type: ignore[misc]

        assert read(["a", 'c"{\\'], 3)[0][2].amounts in ({("f", "a"): 2}, {("f", "c"): 2})
        assert [(name, failed.record_id) for name, _, failed in read(['c"{\\', "x"], 2)] == [
            ('c"{\\', "r3"),
            ('c"{\\', "r2"),
        ]
        assert read(["b"], 1) == [("b", "runs", Failed("r3", 3.0, 3.5, {("f", "b"): 2}, None))]
        assert read([], 5) == []
