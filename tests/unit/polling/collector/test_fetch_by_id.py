"""The cheapest way to bring records in flight up to date."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.polling.collector.fetch_by_id import Plan, Ways, plan

RANKS = st.lists(st.integers(0, 60), max_size=12).map(sorted)
WAYS = st.builds(
    Ways,
    rows=st.integers(1, 10),
    ids_per_request=st.sampled_from([1, 3, 50]),
    pages_read=st.integers(1, 3),
    can_fetch_by_id=st.booleans(),
    filters=st.sampled_from([0, 0, 2]),
)


def cost(chosen: Plan, ways: Ways, count: int) -> int:
    if chosen.filtered:
        return ways.filters + count // ways.rows
    return chosen.last_page - ways.pages_read + math.ceil(chosen.asked / ways.ids_per_request)


def possible(ranks: Sequence[int], ways: Ways) -> list[Plan]:
    """Return all plans that bring each record up to date."""
    plans = [Plan(ways.pages_read, 0, filtered=True)] if ways.filters and ways.can_fetch_by_id else []
    for page in range(ways.pages_read, max([ways.pages_read, *(rank // ways.rows + 1 for rank in ranks)]) + 1):
        left = sum(rank // ways.rows + 1 > page for rank in ranks)
        if ways.can_fetch_by_id or not left:
            plans.append(Plan(page, left))
    return plans


@given(RANKS, WAYS)
def test_a_plan_reaches_every_record_and_none_costs_less(ranks: list[int], ways: Ways) -> None:
    chosen = plan(ranks, ways)
    needed = [other for other in possible(ranks, ways) if other.last_page == chosen.last_page and not other.filtered]
    assert chosen.filtered or needed[0].asked <= chosen.asked <= len(ranks)
    assert ways.can_fetch_by_id or not (chosen.asked or chosen.filtered)
    assert cost(chosen, ways, len(ranks)) == min(cost(other, ways, len(ranks)) for other in possible(ranks, ways))


@pytest.mark.parametrize(
    ("ranks", "changed", "expected"),
    [
        ([], {}, Plan(1, 0)),
        ([], {"can_fetch_by_id": False}, Plan(1, 0)),
        # At equal cost, records are fetched by ID.
        ([15], {}, Plan(1, 1)),
        ([15], {"can_fetch_by_id": False}, Plan(2, 0)),
        ([15, 16], {}, Plan(2, 0)),
        ([15, 16, 999], {}, Plan(2, 1)),
        ([15, 16], {"ids_per_request": 2}, Plan(1, 2)),
        ([150, 250, 350], {"filters": 2}, Plan(1, 0, filtered=True)),
        ([150, 250], {"filters": 2}, Plan(1, 2)),
        ([5, 15], {"pages_read": 2}, Plan(2, 0)),
        (list(range(10, 30)), {"filters": 2}, Plan(3, 0)),
        ([15, 16, 17, 990, 999], {"ids_per_request": 2}, Plan(2, 2)),
    ],
)
def test_a_plan_costs_the_fewest_requests(ranks: list[int], changed: dict[str, Any], expected: Plan) -> None:
    ways: dict[str, Any] = {"rows": 10, "ids_per_request": 1, "pages_read": 1, "can_fetch_by_id": True, **changed}
    assert plan(ranks, Ways(**ways)) == expected
