"""Which collector an ID is of, and that what is shown of a record is whatever the server sends, or a clear error."""

import json
from typing import Any

import pytest
from hypothesis import given

from exporter.client.download import SecretUrl
from exporter.model.record import FetchError, Reason
from exporter.systems import sources
from exporter.systems.detail import Detail, NotAnId, as_value
from tests.support.odd import ANY_JSON


@pytest.mark.parametrize(
    ("system", "record_id", "collector"),
    [
        ("inkit", "rb_CDh2Dg57evYHnBp7TbxJt", "document_batches"),
        ("inkit", "fb_4AO6oyjh5yc9jvRKJplghb", "workflow_batches"),
        ("inkit", "rend_2DhtpDQ5ErIaNJQRtCpKfN", "invocations"),
        ("packagex", "batch_123", "batches"),
        ("packagex", "7xKyu1HYgPnSAXZhtdxFxk", "batches"),
    ],
)
def test_the_beginning_of_an_id_says_which_collector_it_is_of(system: str, record_id: str, collector: str) -> None:
    assert sources()[system].details.collector(record_id) == collector


def test_an_id_that_is_none_of_the_systems_is_refused_with_what_there_is() -> None:
    with pytest.raises(NotAnId, match=r"rb_ \(document_batches\), fb_ \(workflow_batches\), rend_ \(invocations\)"):
        sources()["inkit"].details.collector("flow_1")


@pytest.mark.parametrize(
    "record_id", ["", "..", "rb_1/../../x", "rb_1?a=b", "rb_ 1", "rb_1\n", "-1", "rb_" + "x" * 200]
)
@pytest.mark.parametrize("system", ["inkit", "packagex"])
def test_what_could_lead_to_another_path_is_no_id(system: str, record_id: str) -> None:
    with pytest.raises(NotAnId):
        sources()[system].details.collector(record_id)


@pytest.mark.parametrize("collector", ["document_batches", "workflow_batches", "batches"])
def test_an_answer_about_another_record_is_malformed(collector: str) -> None:
    source = sources()["packagex" if collector == "batches" else "inkit"]
    answers: list[Any] = [{"id": "rb_2"}, {"data": {"id": "rb_2"}}, {"data": []}, [], None]
    for answer in answers:
        with pytest.raises(FetchError) as caught:
            source.details.read(collector, "rb_1", answer)
        assert caught.value.reason is Reason.MALFORMED


@given(item=ANY_JSON, part=ANY_JSON)
def test_whatever_a_record_is_made_of_it_can_be_shown(item: Any, part: Any) -> None:
    names = ("status", "created_at", "updated_at", "total", "destinations", "phases", "stats", "merge_parameters")
    made = {**dict.fromkeys(names, part), **(item if isinstance(item, dict) else {}), "id": "rb_1"}
    for source in sources().values():
        for collector in source.system.collectors:
            answer = {"items": [item, made], "data": made, **made}
            assert isinstance(source.details.read(collector, "rb_1", answer), Detail)


@given(content=ANY_JSON)
def test_whatever_an_errors_file_is_made_of_each_row_has_an_error(content: Any) -> None:
    text = json.dumps(content).encode()
    for source in sources().values():
        for name in source.details.errors_files:
            assert all(source.details.row_errors(name, text))


def test_what_is_neither_text_nor_a_number_is_shown_as_what_it_is() -> None:
    values = [None, "a", 2, 2.5, True, [1], {"a": 1}, float("inf")]
    assert [as_value(value) for value in values] == [
        None,
        "a",
        2,
        2.5,
        "yes",
        "unreadable: a list",
        "unreadable: an object",
        "unreadable: a number out of range",
    ]


def test_a_detail_does_not_show_what_is_private_by_itself() -> None:
    detail = Detail("rb_1", {}, (), {"merge_parameters": "CANARY"}, {"errors.csv": SecretUrl("CANARY")})
    assert "CANARY" not in repr(detail)
