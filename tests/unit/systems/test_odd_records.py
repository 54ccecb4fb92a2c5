"""Whatever a page holds, an odd record affects no other record, and is counted."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from exporter.client.decoding import decode
from exporter.exposition.catalog import Feeds
from exporter.exposition.samples import Shape as Rows
from exporter.exposition.samples import counters, gauges
from exporter.exposition.snapshot import Block
from exporter.exposition.status import CollectorStatus
from exporter.exposition.text_format import header
from exporter.model.accounting import Rules
from exporter.model.record import Record
from exporter.model.totals import Sums
from exporter.polling.poller import Poller
from exporter.state import Observation, prepared
from exporter.systems import sources
from exporter.systems.base import Listing, Options, Page
from tests.support import faults
from tests.support.odd import SHAPES, Shape
from tests.support.properties import examples
from tests.support.rig import Rig, own_counters

BY_NAME = [pytest.param(shape, id=f"{shape.system}-{shape.collector}") for shape in SHAPES]


def listing(shape: Shape) -> Listing:
    labeled = shape.collector == "invocations"
    return sources()[shape.system].listing(shape.collector, Options(workflow_label=labeled))


def read(shape: Shape, *items: Any) -> Page:
    return listing(shape).read_page(decode(shape.body(items)))


def good(shape: Shape, name: str) -> dict[str, Any]:
    return {"id": name, **shape.good}


def parsed(shape: Shape, blocks: Sequence[Mapping[str, Block]]) -> list[float]:
    """Return the values of all samples in the text format. Asserts that both formats parse."""
    values: list[float] = []
    for families in blocks:
        for family in sources()[shape.system].families:
            if (block := families.get(family.name)) is not None:
                text = (header(family, openmetrics=False) + block.text).decode()
                openmetrics = (header(family, openmetrics=True) + block.openmetrics).decode() + "# EOF\n"
                read_strictly = openmetrics_parser.text_string_to_metric_families
                assert list(read_strictly(openmetrics))  # type: ignore[no-untyped-call]
                found = list(text_parser.text_string_to_metric_families(text))
                values += [sample.value for metric in found for sample in metric.samples]
    return values


def rendered(shape: Shape, sums: Sums) -> Sequence[Mapping[str, Block]]:
    families = tuple(family for family in sources()[shape.system].families if shape.collector in family.zeros)
    rows = Rows(Feeds(shape.collector, families), optional=shape.collector == "invocations")
    status = CollectorStatus("prod", shape.system, shape.collector)
    return gauges(rows, status, sums).blocks, counters(rows, status, sums).blocks


@pytest.mark.parametrize("shape", BY_NAME)
@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_item_is_a_record_or_rejected_and_those_beside_it_are_as_they_are_alone(
    shape: Shape, data: st.DataObject
) -> None:
    odd = data.draw(st.lists(shape.items(), max_size=3))
    page = read(shape, good(shape, "first"), *odd, good(shape, "last"))
    assert len(page.records) + sum(page.rejected.values()) == page.rows == len(odd) + 2
    assert set(page.rejected) <= set(listing(shape).rejections)
    assert {field for record in page.records for field in record.unknown} <= set(listing(shape).optional)
    assert [page.records[0], page.records[-1]] == [*read(shape, good(shape, "first"), good(shape, "last")).records]
    assert all(amount > 0 for record in page.records for amount in record.contributions.values())
    rows, known = Counter(record.id for record in page.records), kept(shape, page)
    last = {record.id: record for record in page.records}
    assert {name: known[name] for name in known if rows[name] == 1} == {
        name: last[name] for name in last if rows[name] == 1
    }
    # Where a record has several rows, what failed in an earlier one is kept beside the last one.
    assert all(set(known[name].contributions) >= set(last[name].contributions) for name in last)


def kept(shape: Shape, page: Page) -> Mapping[str, Record]:
    """Return the records as the state returns them, once their sums have been exposed."""
    rules = Rules.of(sources()[shape.system].families)
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder) / "state.db") as state:
        with state.records("prod", shape.collector, rules) as records:
            records.apply(page.records, Observation(1_700_000_100.0, 0.0))
            sums = records.sums()
            records.publish(sums.rising(), 1_700_000_100.0)
            values = parsed(shape, rendered(shape, records.sums()))
        assert all(0 <= value < float("inf") for value in values)
        with state.records("prod", shape.collector, rules) as records:
            assert records.sums().gauges == sums.gauges
            return records.get([record.id for record in page.records])


@pytest.mark.parametrize("shape", BY_NAME)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_only_a_record_s_id_its_time_and_its_status_can_cost_it(shape: Shape, data: st.DataObject) -> None:
    needed = ("id", "created_at", "status")
    odd = data.draw(shape.items().filter(lambda item: isinstance(item, dict)))
    page = read(shape, odd | {name: good(shape, "odd")[name] for name in needed})
    assert not page.rejected
    failed = [key for key in page.records[0].contributions if key[0].endswith("finished_total") and "failed" in key]
    assert any(key[0] in ("inkit_batches_finished_total", "inkit_invocations_finished_total") for key in failed) or (
        failed and shape.system == "packagex"
    )


def odd_ids(rig: Rig, poller: Poller) -> tuple[int, int]:
    own = own_counters(rig.state, *poller.id)
    return sum(own.rejected.values()), sum(own.unknown_values.values())


def poll(rig: Rig, shape: Shape, *batches: Sequence[Any]) -> Poller:
    """Poll a list once without a record, and then once with each of these over HTTP."""
    rig.system = shape.system
    poller = rig.poller(shape.collector, workflow_label=shape.collector == "invocations")
    for items in ([], *batches):
        rig.mock_api.faults.clear()
        rig.mock_api.faults.add(faults.raw(shape.body(items)), path=shape.path)
        assert poller.poll(), poller.status.error
        rig.store.scraped(rig.clock.now + 1)
        rig.clock.now += 60
    return poller


@pytest.mark.parametrize("shape", BY_NAME)
@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_poll_succeeds_whatever_its_records_hold_and_counts_the_failure_beside_them(
    shape: Shape, data: st.DataObject
) -> None:
    odd = data.draw(st.lists(shape.items(), min_size=1, max_size=4))
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder) / "state.db") as state:
        rig = Rig(state)
        with rig.mock_api:
            poller = poll(rig, shape, [*odd, good(shape, "good")])
            own = own_counters(state, *poller.id)
            assert set(own.rejected) <= set(listing(shape).rejections)
            assert not own.poll_errors
            failed = {failure.record_id for failure in rig.store.snapshot.collectors[0].failures}
            assert "good" in failed
            shown = rig.store.snapshot.collectors[0]
            parsed(shape, [shown.gauges, shown.counters])


ODD: list[dict[str, Any]] = [
    {"created_at": "0001-01-01T00:00:00Z"},
    {"created_at": 10**400},
    {"created_at": "@digits@"},
    {"created_at": "@overflow@"},
    {"created_at": float("nan")},
    {"created_at": "@deep list@"},
    {"status": "@deep object@"},
    {"status": True},
    {"id": "x" * 1_000_000},
    {"id": "\ud800"},
]


@pytest.mark.parametrize("shape", BY_NAME)
def test_records_that_can_not_be_understood_are_rejected_with_their_reason_and_cost_no_other(
    rig: Rig, shape: Shape
) -> None:
    items = [{**good(shape, f"odd_{number}"), **changed} for number, changed in enumerate(ODD)]
    poller = poll(rig, shape, [*items, good(shape, "good")])
    assert own_counters(rig.state, *poller.id).rejected == {"created_at": 6, "status": 2, "id": 2}
    assert [failure.record_id for failure in rig.store.snapshot.collectors[0].failures] == ["good"]


@pytest.mark.parametrize("shape", BY_NAME)
def test_what_a_record_can_do_without_is_counted_by_its_field_and_its_failure_is_listed(rig: Rig, shape: Shape) -> None:
    fields = listing(shape).optional
    items = [{**good(shape, f"odd_{field}"), field: [{"odd": "CANARY"}, "CANARY", -1]} for field in fields]
    poller = poll(rig, shape, items)
    own = own_counters(rig.state, *poller.id)
    assert (own.unknown_values, own.rejected) == (dict.fromkeys(fields, 1), {})
    listed = {failure.record_id for failure in rig.store.snapshot.collectors[0].failures}
    assert listed == {f"odd_{field}" for field in fields}
    zeros = rig.lines(poller, "batch_exporter_unknown_values_total")
    assert all(f'field="{field}"' in str(zeros) for field in fields), "they are exposed before they rise"


def test_a_failure_at_a_place_of_any_script_is_counted_listed_and_exposed(rig: Rig) -> None:
    shape = next(shape for shape in SHAPES if shape.collector == "invocations")
    tokyo, osaka = "\u6771\u4eac\u652f\u5e97", "\u5927\u962a\u652f\u5e97"
    item = good(shape, "r1") | {"status": "Completed", "destinations": {tokyo: "Failed", osaka: "Completed"}}
    alike = good(shape, "r2") | {"status": "Completed", "destinations": {"Sales/EU": "Failed", "sales-eu": "Completed"}}
    lost = good(shape, "r3") | {"status": "\u5931\u6557", "destinations": {"\u2709": {"status": "Failed"}}}
    poller = poll(rig, shape, [item, alike, lost], [item, alike, lost])
    series = rig.series(poller, "inkit_invocation_generations_finished_total")
    assert {key[:2]: value for key, value in series.items() if value} == {
        (tokyo, "failed"): 1,
        (osaka, "completed"): 1,
        ("sales_eu", "failed"): 1,
        ("sales_eu", "completed"): 1,
        ("unknown", "failed"): 1,
    }
    assert own_counters(rig.state, *poller.id).unknown_values == {"destination": 4, "status": 1}
    listed = {failure.record_id: failure.places for failure in rig.store.snapshot.collectors[0].failures}
    assert listed == {"r1": (tokyo,), "r2": ("sales_eu",), "r3": ("unknown",)}
