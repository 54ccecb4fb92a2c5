"""The judge of replicas finds each violation in made-up histories, and none in those that keep the promises."""

import math
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.support.handovers import LeaseChange, Scrape, Term, accounts_in, differences, terms, violations

FAILED = 'inkit_batches_finished_total{account="a",status="failed"}'
OWNED = {"a": [Term(1, "r0", 0.0, 10.0), Term(2, "r1", 11.0, 20.0), Term(3, "r0", 20.5, math.inf)]}


def scrape(start: float, end: float, process: str, value: float = 0.0) -> Scrape:
    return Scrape(start, end, process, {"a": {FAILED: value}})


@pytest.mark.parametrize(
    ("scrapes", "finding"),
    [
        ([scrape(1, 2, "r0"), scrape(12, 13, "r1", 3), scrape(21, 22, "r0", 3)], None),
        # Each was true at some moment of the scrape.
        ([scrape(9, 11.5, "r0"), scrape(10.5, 11.1, "r1")], None),
        ([scrape(1, 5, "r0"), scrape(2, 3, "r0", 4), scrape(4, 6, "r0", 1)], "is 1 at"),
        ([scrape(1, 2, "r1")], "exposed by r1 from 1.000 to 2.000, which does not own it"),
        ([scrape(12, 13, "r1"), scrape(14, 15, "r0")], "exposed by r0"),
        ([scrape(10.2, 10.5, "r0")], "exposed by r0"),
        ([scrape(1, 2, "unknown")], "exposed by unknown"),
        ([scrape(1, 2, "r0"), scrape(12, 13, "r1", 3), scrape(21, 22, "r0", 2)], "is 2 at 21.000 in r0, after 3"),
        ([scrape(1, 2, "r0", 1)], "begins at 1"),
        # Answers that overlap say nothing about what came first.
        ([scrape(1, 2, "r0"), scrape(2, 4, "r0", 5), scrape(3, 5, "r0", 4)], None),
        ([Scrape(1, 2, "r1", {"b": {}})], "b: exposed by r1"),
        ([Scrape(1, 2, "r1", {})], None),
    ],
)
def test_what_scrapes_show_is_judged_by_who_owned_it(scrapes: list[Scrape], finding: str | None) -> None:
    found = violations(scrapes, OWNED)
    assert len(found) == (finding is not None), found
    assert finding is None or finding in found[0]


def test_an_older_epoch_after_a_newer_one_is_found_where_both_own_the_account() -> None:
    both = {"a": [Term(1, "r0", 0.0, math.inf), Term(2, "r1", 1.0, math.inf)]}
    scrapes = [scrape(1, 2, "r0"), scrape(3, 4, "r1"), scrape(5, 6, "r0")]
    assert violations(scrapes, both) == ["a: r0 exposes epoch 1 at 5.000, after 2"]


def test_two_owners_of_one_epoch_are_found() -> None:
    twice = {"a": [Term(1, "r0", 0.0, 10.0), Term(1, "r1", 11.0, math.inf)]}
    assert violations([], twice) == ["a: r1 owns it with epoch 1 after 1"]


def test_a_term_ends_when_the_lease_is_released_or_taken_over() -> None:
    changes = [
        LeaseChange(0.0, "a", 0, None),
        LeaseChange(1.0, "a", 1, "x"),
        LeaseChange(2.0, "a", 1, None),
        LeaseChange(3.0, "a", 2, "y"),
        LeaseChange(5.0, "a", 3, "x"),
    ]
    assert terms(changes, {"x": "r0", "y": "r1"}) == {
        "a": [Term(1, "r0", 1.0, 2.0), Term(2, "r1", 3.0, 5.0), Term(3, "r0", 5.0, math.inf)]
    }


def test_every_sample_with_an_account_exposes_it_and_only_kept_counters_count() -> None:
    page = f"""# HELP x
{FAILED} 3
batch_exporter_api_requests_total{{account="b",code="200"}} 7
inkit_batch_duration_seconds_sum{{account="b"}} 1.5
batch_exporter_build_info{{version="1"}} 1
"""
    assert accounts_in(page) == {"a": {FAILED: 3.0}, "b": {'inkit_batch_duration_seconds_sum{account="b"}': 1.5}}


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"a": {"x": 2}, "b": {}}, None),
        ({"a": {"x": 3}}, "a: x is 3, and 2 have happened"),
        ({"a": {"x": 1}}, "a: x is 1, and 2 have happened"),
        ({}, "a: x is 0, and 2 have happened"),
        ({"a": {"x": 2, "y": 1}}, "a: y is 1, and 0 have happened"),
    ],
)
def test_what_is_counted_twice_or_not_at_all_is_found(
    found: Mapping[str, Mapping[str, int]], problem: str | None
) -> None:
    counted = {account: Counter(values) for account, values in found.items()}
    assert differences({"a": Counter({"x": 2})}, counted) == ([] if problem is None else [problem])
