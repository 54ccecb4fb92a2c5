"""Which failed records are chosen, and how they are shown to programs and people."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.snapshot import CollectorSnapshot, Failure
from exporter.model.record import LAST_FAILURES
from exporter.web.pages.failures import failures_page
from exporter.web.pages.failures_query import FILTERS, MOST, PARAMETERS, BadQuery, Query, as_json, choose
from tests.support.examples import MINUTE, NOW, calm, failure, polled, with_problems
from tests.support.html_reader import HOSTILE, Reader
from tests.support.paths import ROOT

COLLECTORS = with_problems().snapshot.collectors
EVERYTHING = Query()


def ids(**parameters: list[str]) -> list[str]:
    return [row.failure.record_id for row in choose(COLLECTORS, Query.of(parameters)).failed]


def read(query: Query = EVERYTHING, collectors: tuple[CollectorSnapshot, ...] = COLLECTORS) -> Reader:
    return Reader(failures_page((), collectors, query, choose(collectors, query), NOW).decode())


def answer(collectors: tuple[CollectorSnapshot, ...], query: Query = EVERYTHING) -> Any:
    return json.loads(as_json(choose(collectors, query)))


def holding(*failures: Failure, account: str = "a", name: str = "c", up: bool = True) -> CollectorSnapshot:
    return CollectorSnapshot(account, "inkit", name, {}, 0.0, {}, polled(up, True, NOW, 0, 0), failures)


def test_the_last_ones_of_all_collectors_stand_first() -> None:
    assert [name.split("_")[0] for name in ids()] == ["rb", "rend", "batch", "rb", "rend", "rb", "rend"]
    times = [row.failure.at for row in choose(COLLECTORS, EVERYTHING).failed]
    assert times == sorted(times, reverse=True)


def test_of_those_noticed_at_once_the_newest_record_stands_first() -> None:
    old, new = Failure("old", NOW, 1.0, (), (), ""), Failure("new", NOW, 2.0, (), (), "")
    assert [row.failure for row in choose([holding(old), holding(new, name="d")], EVERYTHING).failed] == [new, old]


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, 7),
        ({"account": ["logistics"]}, 1),
        ({"account": ["logistics", "production"]}, 7),
        ({"account": ["nobody"]}, 0),
        ({"collector": ["invocations"]}, 3),
        ({"destination": ["docusign"]}, 2),
        ({"destination": ["sepire", "shipment"]}, 2),
        ({"collector": ["invocations"], "destination": ["docusign"]}, 1),
        ({"limit": ["3"]}, 3),
        ({"account": [""], "destination": [""], "limit": [""], "format": [""]}, 7),
        ({"account": ["", "logistics"]}, 1),
        ({"limit": ["", "3"]}, 3),
    ],
)
def test_they_are_chosen_by_account_collector_and_destination(parameters: dict[str, list[str]], count: int) -> None:
    assert len(ids(**parameters)) == count


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", str(MOST + 1), "9" * 5000, "٣"])
def test_a_limit_that_makes_no_sense_is_refused(limit: str) -> None:
    with pytest.raises(BadQuery, match=r"^limit: expected a number from 1 to 1000$"):
        Query.of({"limit": [limit]})


_KNOWN = ": expected account, collector, destination, limit or format"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["acount"], f"unknown query parameter (did you mean account?){_KNOWN}"),
        (["Account"], f"unknown query parameter (did you mean account?){_KNOWN}"),
        (["destinations", "limits"], f"unknown query parameter (did you mean destination or limit?){_KNOWN}"),
        (["account", "system"], f"unknown query parameter{_KNOWN}"),
        ([""], f"unknown query parameter{_KNOWN}"),
    ],
)
@pytest.mark.parametrize("value", ["x", ""])
def test_an_unknown_parameter_is_refused_with_the_known_ones(names: list[str], message: str, value: str) -> None:
    with pytest.raises(BadQuery) as refused:
        Query.of({name: [value] for name in names})
    assert str(refused.value) == message


@given(st.text(min_size=12, max_size=60).filter(lambda name: name not in PARAMETERS))
def test_no_name_is_repeated_in_what_is_said_of_it(name: str) -> None:
    with pytest.raises(BadQuery) as refused:
        Query.of({name: ["x"]})
    assert name not in str(refused.value) or name in "unknown query parameter" + _KNOWN


@given(st.dictionaries(st.sampled_from(FILTERS), st.lists(st.text())))
def test_any_value_of_a_filter_is_taken(parameters: dict[str, list[str]]) -> None:
    query = Query.of(parameters)
    read = dict(zip(FILTERS, (query.accounts, query.collectors, query.destinations), strict=True))
    assert read == {name: {value for value in parameters.get(name, []) if value} for name in FILTERS}


@pytest.mark.parametrize("value", ["xml", "JSON", "json ", "text/html"])
def test_a_format_that_there_is_not_is_refused(value: str) -> None:
    with pytest.raises(BadQuery, match=r"^format: expected html or json$"):
        Query.of({"format": [value]})


@pytest.mark.parametrize(("name", "values"), [("limit", ["1", "2"]), ("format", ["json", "json"])])
def test_a_parameter_with_one_value_is_not_given_twice(name: str, values: list[str]) -> None:
    with pytest.raises(BadQuery, match=rf"^{name}: expected one value, not 2$"):
        Query.of({name: values})


def test_the_docs_name_every_parameter() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    table = page.split("| parameter |")[1].split("\n\n")[0]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))
    assert sorted(named) == sorted(PARAMETERS)


def test_json_ends_with_a_newline_and_has_no_other() -> None:
    for collectors in ((), COLLECTORS):
        written = as_json(choose(collectors, EVERYTHING))
        assert written.endswith(b"}\n")
        assert written.count(b"\n") == 1


def test_as_many_are_shown_as_are_remembered_of_one_collector_unless_more_are_asked_for() -> None:
    many = tuple(failure(f"r{number}", number) for number in range(LAST_FAILURES))
    both = (holding(*many), holding(*many, name="d"))
    assert len(choose(both, EVERYTHING).failed) == LAST_FAILURES
    assert len(choose(both, Query.of({"limit": [str(MOST)]})).failed) == 2 * LAST_FAILURES
    assert f"The last {LAST_FAILURES} of {2 * LAST_FAILURES} failed records" in read(collectors=both).text


def test_programs_get_all_of_it() -> None:
    of = failure("rend_1", MINUTE, "box", "docusign", workflow="Statement")
    assert answer((holding(of, account="production", name="invocations"),)) == {
        "failures": [
            {
                "time": "2026-01-02T03:05:05Z",
                "account": "production",
                "system": "inkit",
                "collector": "invocations",
                "id": "rend_1",
                "created": "2026-01-02T03:01:05Z",
                "destinations": ["box", "docusign"],
                "statuses": ["failed"],
                "workflow": "Statement",
                "alert": "InkitGenerationFailed",
                "runbook": "/runbooks#inkitgenerationfailed",
            }
        ],
        "not_up_to_date": [],
    }


def test_the_docs_show_what_programs_get() -> None:
    page = (ROOT / "docs" / "failures.md").read_text()
    shown = page.split("```json\n")[1].split("```")[0]
    query = dict(parse_qsl(page.split("/failures?")[1].split("'")[0]))
    assert json.loads(shown) == answer(COLLECTORS, Query.of({name: [value] for name, value in query.items()}))


def test_where_polls_fail_it_is_said_that_some_may_be_missing() -> None:
    collectors = (holding(name="x", up=False), holding(name="y"))
    assert answer(collectors)["not_up_to_date"] == [{"account": "a", "system": "inkit", "collector": "x"}]
    assert (
        "Polls of these collectors fail, so newer failures may be missing: a/x. See why"
        in read(collectors=collectors).text
    )
    chosen = Query(collectors=frozenset({"y"}))
    assert answer(collectors, chosen)["not_up_to_date"] == []
    assert "may be missing" not in read(chosen, collectors).text


def test_people_get_a_row_for_each_record() -> None:
    rows = read().rows
    assert rows[0] == ["Record", "Noticed", "Account", "Destination or resource", "Workflow", "Runbook"]
    assert rows[1:4] == [
        [
            "rb_6WtDgF7RGqdS5Uzea9neZJ created 4 min before",
            "2026-01-02 03:04:05Z 2 min ago",
            "production document_batches",
            "docusign, sepire failed",
            "none",
            "InkitGenerationFailed",
        ],
        [
            "rend_2LQn5C0pEuNX8Kt1oVyMd3 created 4 min before",
            "2026-01-02 03:03:05Z 3 min ago",
            "production invocations",
            "docusign failed",
            "Order confirmation",
            "InkitGenerationFailed",
        ],
        [
            "batch_9kR2mWq4Lx created 4 min before",
            "2026-01-02 02:55:05Z 11 min ago",
            "logistics batches",
            "shipment timed out",
            "none",
            "PackageXBatchFailed",
        ],
    ]
    assert rows[6][3] == "the record itself failed"


def test_a_row_is_where_a_link_with_the_record_s_id_leads() -> None:
    anchors = [row["id"] for row in read().attributes("tr") if "id" in row]
    assert anchors == ids()


def test_of_two_accounts_with_the_same_record_only_one_row_has_its_id() -> None:
    failed = failure("rb_1", MINUTE)
    reader = read(collectors=(holding(failed), holding(failed, account="b")))
    assert [row.get("id") for row in reader.attributes("tr")] == [None, "rb_1", None]


def test_the_runbook_is_that_of_the_alert() -> None:
    reader = read()
    assert [row[5] for row in reader.rows[1:]].count("InkitBatchFailed") == 1
    assert reader.attributes("a").count({"href": "./runbooks#inkitbatchfailed"}) == 1
    reader = read(collectors=(holding(Failure("x", 0, 0, (), (), "")),))
    assert reader.rows[1][5] == "All runbooks"
    assert {"href": "./runbooks"} in reader.attributes("a")


def test_no_link_leads_out_of_the_exporter() -> None:
    assert all((link["href"] or "").startswith(("./", "#")) for link in read().attributes("a"))


def test_the_form_offers_what_there_is_and_keeps_what_was_chosen() -> None:
    reader = read(Query(accounts=frozenset({"production"}), destinations=frozenset({"gone"})))
    options = [option["value"] for option in reader.attributes("option")]
    assert options[:5] == ["", "production", "logistics", "staging", "archive"]
    assert [option["value"] for option in reader.attributes("option") if "selected" in option] == ["production", "gone"]
    assert reader.attributes("form") == [{"action": "./failures", "method": "get"}]
    assert [field["name"] for field in reader.attributes("select")] == ["account", "collector", "destination"]


def test_what_was_chosen_is_said_in_words_and_can_be_taken_back() -> None:
    query = Query(frozenset({"b", "production"}), frozenset({"invocations"}), frozenset({"box"}))
    reader = read(query)
    assert "1 failed record of b or production in invocations at box, show all. The same as JSON" in reader.text
    assert {"href": "./failures"} in reader.attributes("a")
    selected = [option["value"] for option in reader.attributes("option") if "selected" in option]
    assert not {"b", "production"}.intersection(selected)


def test_the_link_to_the_json_asks_for_the_same() -> None:
    query = Query(accounts=frozenset({"a&b"}), limit=7)
    assert {"href": "./failures?account=a%26b&limit=7&format=json"} in read(query).attributes("a")


def test_where_none_has_failed_it_says_so_and_there_is_no_table() -> None:
    reader = read(collectors=())
    assert "No failed record. The same as JSON" in reader.text
    assert reader.attributes("table") == []
    assert "1 failed record." in read(collectors=calm().snapshot.collectors).text


def test_text_from_outside_stays_text() -> None:
    hostile = Failure(HOSTILE, NOW, NOW, (HOSTILE,), (HOSTILE,), HOSTILE, HOSTILE)
    reader = read(Query(accounts=frozenset({HOSTILE})), (holding(hostile, account=HOSTILE, name=HOSTILE, up=False),))
    shown = HOSTILE.replace("\ud800", "?")
    assert reader.attributes("script") == []
    assert {name for name, _ in reader.tags} == {name for name, _ in read().tags}
    assert all("onclick" not in attributes for _, attributes in reader.tags)
    assert reader.rows[1][4] == shown
    assert [row.get("id") for row in reader.attributes("tr")] == [None, shown]
    assert answer((holding(hostile),))["failures"][0]["workflow"] == HOSTILE


def test_times_that_no_calendar_has_do_not_break_the_page() -> None:
    strange = Failure("x", NOW, -1e15, (), (), "")
    assert "created" in read(collectors=(holding(strange),)).rows[1][0]
    assert answer((holding(strange),))["failures"][0]["created"] == "0001-01-01T00:00:00Z"
