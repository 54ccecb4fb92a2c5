"""How long a counter keeps a value."""

import pytest

from exporter.polling.pace import Pace


@pytest.mark.parametrize(
    ("interval", "asked", "stands"),
    [(300.0, False, 300.0), (300.0, True, 60.0), (60.0, True, 60.0), (10.0, True, 10.0), (10.0, False, 10.0)],
)
def test_where_polls_may_be_asked_for_a_counter_keeps_a_value_for_a_minute_at_most(
    interval: float, asked: bool, stands: float
) -> None:
    assert Pace(interval, 600.0, 3600.0, asked).stands == stands
