"""What is shown of a batch of PackageX, and what its errors file says."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from exporter.demo.packagex.items import packagex_batch, phase
from exporter.model.record import FetchError, Reason
from exporter.systems.detail import Detail, Moment, RowError, Span, Words
from exporter.systems.packagex.detail import DETAILS
from tests.support.rig import NOW

ITEM = packagex_batch(
    "batch_1",
    NOW,
    status="failed",
    reason="too many errors",
    updated_at=NOW + 90,
    phases=[phase("validation", 10, 7, 3)],
    stats={"created": 4},
)


def read(**changed: Any) -> Detail:
    detail = DETAILS.read("batches", "batch_1", {"data": {**ITEM, **changed}})
    assert detail is not None
    return detail


def errors(
    content: str | bytes | list[Any] | Mapping[str, Any], name: str = "errors.json"
) -> list[tuple[RowError, ...]]:
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    return list(DETAILS.row_errors(name, text if isinstance(text, bytes) else text.encode()))


def test_a_batch_has_its_reason_its_times_and_its_phases() -> None:
    detail = read()
    assert detail.fields["reason"] == Words("too many errors")
    assert detail.fields["created_at"] == Moment(NOW)
    assert detail.fields["took"] == Span(90.0)
    phases, stats = detail.tables
    assert phases.rows == (("validation", "sync", 10, 10, 7, 3),)
    assert ("created", 4) in stats.rows


def test_a_batch_in_flight_has_not_taken_any_time_yet() -> None:
    assert read(status="processing").fields["took"] is None


def test_files_are_offered_where_there_is_a_url_and_no_other_url_is_kept() -> None:
    detail = read(_errors_csv_url="https://files.example/CANARY", _upload_csv_url=None, _upload_url="https://x/CANARY")
    assert list(detail.files) == ["errors.csv"]
    assert detail.files["errors.csv"].reveal() == "https://files.example/CANARY"
    assert "CANARY" not in repr(detail)


def test_every_file_of_the_reference_can_be_asked_for() -> None:
    assert set(DETAILS.files.values()) == {
        "include_upload_csv",
        "include_upload_json",
        "include_errors_csv",
        "include_errors_json",
        "include_result_json",
    }


@pytest.mark.parametrize("name", ["phases", "stats"])
def test_a_part_of_another_type_is_shown_as_what_it_is(name: str) -> None:
    assert str(read(**{name: "x"}).fields[name]) == "x"
    assert read(phases=[[]]).tables[0].rows[0][0] == "unreadable: a list"


def test_a_row_says_where_what_and_which_code_and_what_it_may_quote() -> None:
    row = {"row": 3, "field": "email", "code": "invalid", "message": "'a@b' is wrong", "data": {"name": ["Anna"]}}
    wanted = [(RowError("'a@b' is wrong", "email", "invalid", ("3", "Anna")),)]
    assert errors([row]) == errors({"rows": [row]}) == wanted


def test_a_row_may_have_several_errors() -> None:
    row = {"row": 3, "code": "invalid", "errors": ["too long", {"field": "email", "message": "missing"}]}
    assert [[(error.where, error.text, error.code) for error in found] for found in errors([row])] == [
        [("", "too long", "invalid"), ("email", "missing", "invalid")]
    ]


def test_csv_is_read_by_its_head_whatever_its_letters() -> None:
    text = "\ufeffError Message,Name,Field\nis wrong,Anna,email\n,,\n"
    assert errors(text, "errors.csv") == [(RowError("is wrong", "email", "", ("Anna",)),), (RowError(""),)]


def test_an_upload_with_a_column_for_the_error_does_not_take_its_other_columns_for_one() -> None:
    text = "type,description,error\nCANARY,CANARY,wrong\n"
    [(error,)] = errors(text, "errors.csv")
    assert (error.where, error.text, error.code) == ("", "wrong", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("errors.json", b"{"),
        ("errors.json", b"\xff"),
        ("errors.json", b"[" * 100_000),
        ("errors.csv", b"a\n" + b"x" * 200_000),
    ],
)
def test_an_errors_file_that_cannot_be_read_is_malformed(name: str, content: bytes) -> None:
    with pytest.raises(FetchError) as caught:
        errors(content, name)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "deep", ["[" * 500 + "]" * 500, '{"errors":' * 500 + "1" + "}" * 500, '{"a":' * 500 + "1" + "}" * 500]
)
def test_what_is_nested_without_end_is_not_looked_into(deep: str) -> None:
    assert errors(f"[{deep}]") == [(RowError(""),)]
