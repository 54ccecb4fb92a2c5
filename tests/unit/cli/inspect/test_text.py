"""What was found, laid out for people and for programs."""

import json
from dataclasses import replace
from pathlib import Path

from exporter.cli.inspect.result import Result
from exporter.cli.inspect.row_errors import Summary
from exporter.cli.inspect.text import text
from exporter.systems.detail import Detail, Moment, Span, Table
from tests.support.rig import HOUR, NOW

DETAIL = Detail(
    "batch_1",
    {"status": "failed", "created_at": Moment(NOW - HOUR), "took": Span(90), "reason": None},
    (Table("phases", ("phase", "in_progress"), (("parsing", 1_200), ("a\x1b[1m", None))),),
    {"merge_parameters": {"name": "Anna", "tags": ["a\n"]}},
)
RESULT = Result("prod", "packagex", "batches", DETAIL, in_flight=False)


def test_a_record_is_laid_out_in_columns() -> None:
    assert text(RESULT, NOW, show_data=False) == (
        "Id:          batch_1\n"
        "Account:     prod (packagex)\n"
        "Collector:   batches\n"
        "In flight:   no\n"
        "Status:      failed\n"
        "Created at:  2023-11-14T21:13:20Z (1 h ago)\n"
        "Took:        1 min 30 s\n"
        "\n"
        "Phases:\n"
        "  PHASE     IN PROGRESS\n"
        "  parsing         1,200\n"
        "  a\\x1b[1m            -\n"
        "\n"
        "Not shown without --show-data: merge_parameters\n"
    )


def test_customers_data_is_shown_where_it_is_asked_for() -> None:
    assert text(RESULT, NOW, show_data=True).endswith('\nMerge parameters:\n  name:  Anna\n  tags:  ["a\\n"]\n')


def test_errors_and_files_follow_the_record() -> None:
    result = replace(
        RESULT,
        errors=Summary(1_203, (("email: missing", 1_200), ("a\x1b", 3))),
        saved={"errors.csv": Path("files/batch_1-errors.csv")},
    )
    assert text(result, NOW, show_data=False).endswith(
        "\nErrors of 1,203 rows:\n  1,200  email: missing\n      3  a\\x1b\n\nFiles:\n  files/batch_1-errors.csv\n"
    )


def test_of_many_kinds_of_errors_the_most_frequent_are_shown() -> None:
    kinds = tuple((f"error {number:03}", 1) for number in range(60))
    shown = text(replace(RESULT, errors=Summary(60, kinds)), NOW, show_data=False)
    assert shown.count("error 0") == 50
    assert shown.endswith("  and 10 kinds more\n")


def test_no_files_are_said_to_be_none() -> None:
    assert text(replace(RESULT, saved={}), NOW, show_data=False).endswith("\nFiles:\n  none\n")


def test_a_record_that_the_metrics_leave_out_is_said_to_be_with_the_reason() -> None:
    shown = text(replace(RESULT, in_flight=None, rejected="created_at"), NOW, show_data=False)
    assert "Not counted:  its created_at can't be understood\n" in shown
    assert "In flight" not in shown


def test_the_document_has_plain_values_and_no_customers_data() -> None:
    made = RESULT.document(show_data=False)
    assert json.loads(json.dumps(made)) == {
        "account": "prod",
        "system": "packagex",
        "collector": "batches",
        "id": "batch_1",
        "in_flight": False,
        "rejected": None,
        "fields": {"status": "failed", "created_at": "2023-11-14T21:13:20Z", "took": 90, "reason": None},
        "phases": [{"phase": "parsing", "in_progress": 1_200}, {"phase": "a\x1b[1m", "in_progress": None}],
    }


def test_the_document_has_what_was_asked_for() -> None:
    result = replace(RESULT, errors=Summary(2, (("missing", 2),)), saved={"errors.csv": Path("a/b")})
    made = result.document(show_data=True)
    assert made["private"] == {"merge_parameters": {"name": "Anna", "tags": ["a\n"]}}
    assert made["errors"] == {"rows": 2, "kinds": [{"error": "missing", "rows": 2}]}
    assert made["files"] == {"errors.csv": "a/b"}
