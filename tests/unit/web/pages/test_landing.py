"""The landing page, as a reader of HTML finds it."""

from collections.abc import Sequence

from exporter.exposition.snapshot import CollectorSnapshot
from exporter.exposition.status import CollectorStatus
from exporter.model.record import Reason
from exporter.web.pages.landing import MOST_PROBLEMS, landing_page
from exporter.web.pages.problems import Problem
from tests.support.examples import HOUR, MINUTE, NOW, failure, polled
from tests.support.html_reader import HOSTILE, Reader

FINE = polled(True, True, NOW - 120, 1234, 5, oldest_in_flight=NOW - 3 * HOUR)


def read(*collectors: CollectorSnapshot, found: Sequence[Problem] = (), version: str = "1.2.3") -> Reader:
    return Reader(landing_page((), version, found, collectors, NOW).decode())


def collector(status: CollectorStatus, account: str = "production") -> CollectorSnapshot:
    return CollectorSnapshot(account, "inkit", "document_batches", {}, 0.0, {}, status)


def test_each_collector_has_a_row_with_what_an_operator_wants_to_know() -> None:
    recent_failures = (failure("rb_1", MINUTE), failure("rb_2", 2 * HOUR))
    failed = CollectorSnapshot("b", "packagex", "batches", failures=recent_failures)
    refused = polled(False, False, None, 0, 0, "the token was refused", Reason.AUTH)
    assert ["|".join(row) for row in read(collector(FINE), collector(refused), failed).rows] == [
        "Account|Collector|Last poll|Last success|Window|Finished|In flight|Oldest open|Failed, last hour",
        "production inkit|document_batches|succeeded|2026-01-02 03:04:05Z 2 min ago|read|1,234|5|3 h|0",
        "production inkit|document_batches|failed auth|never|not read yet|0|0|none|0",
        "b packagex|batches|none yet|never|not read yet|0|0|none|1",
    ]


def test_the_number_of_failures_leads_to_them() -> None:
    failed = CollectorSnapshot("a&b", "inkit", "batches", failures=(failure("rb_1", MINUTE),))
    assert read(failed).attributes("a") == [{"href": "./failures?account=a%26b&collector=batches"}]


def test_a_problem_says_what_it_is_why_it_is_and_what_to_do() -> None:
    refused = Problem("bad", "a: polls fail.", ["Refused.", "No metrics."], "Make a new token.", "BatchExporterDown")
    reader = read(found=[refused, Problem("warn", "b: 2 records failed.", account="b")])
    assert reader.items == [
        "a: polls fail.\nRefused.\nNo metrics.\nMake a new token. Runbook: BatchExporterDown",
        "b: 2 records failed. See its failed records",
    ]
    assert reader.attributes("a") == [{"href": "./runbooks#batchexporterdown"}, {"href": "./failures?account=b"}]
    assert [item["class"] for item in reader.attributes("li")] == ["bad", "warn"]
    assert "Look at this first" in reader.texts


def test_of_very_many_problems_the_first_are_shown_and_the_others_counted() -> None:
    many = [Problem("bad", f"account {number}: polls fail.") for number in range(MOST_PROBLEMS + 3)]
    items = read(found=many).items
    assert len(items) == MOST_PROBLEMS + 1
    assert items[-1] == "And 3 more: see the collectors below."
    assert len(read(found=many[:MOST_PROBLEMS]).items) == MOST_PROBLEMS


def test_where_all_is_well_it_says_so() -> None:
    reader = read(collector(FINE))
    assert "All is well" in reader.texts
    assert "Every collector's last poll succeeded, no record is stuck, and none failed in the last hour." in reader.text


def test_without_a_collector_there_is_a_sentence_and_no_table() -> None:
    reader = read()
    assert "No collector has been polled yet." in reader.texts
    assert reader.attributes("table") == []


def test_text_from_outside_stays_text() -> None:
    status = polled(False, True, None, 0, 0, HOSTILE)
    reader = read(collector(status, HOSTILE), found=[Problem("bad", HOSTILE, [HOSTILE])], version=HOSTILE)
    shown = HOSTILE.replace("\ud800", "?")
    assert reader.attributes("script") == []
    assert reader.rows[1][0] == f"{shown} inkit"
    assert reader.items == [f"{shown}\n{shown}"]
    assert f"Version {shown}" in reader.texts


def test_the_page_needs_no_script_and_has_no_style_in_an_attribute() -> None:
    reader = read(collector(FINE), found=[Problem("bad", "x", account="a")])
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert not reader.attributes("script")
