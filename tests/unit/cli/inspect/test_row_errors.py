"""The summary of an errors file: equal errors are merged, and no value of a row is quoted."""

from exporter.cli.inspect.row_errors import Summary, summary
from exporter.systems.detail import RowError


def summed(*rows: RowError, show_data: bool = False) -> Summary:
    return summary(((row,) for row in rows), show_data)


def test_errors_that_differ_in_what_they_quote_are_one() -> None:
    rows = [RowError(f"'a{number}@example.com' is wrong", "email", "invalid_email") for number in range(12)]
    assert summed(*rows) == Summary(12, (("email: … is wrong [invalid_email]", 12),))


def test_the_most_frequent_comes_first() -> None:
    found = summed(RowError("b"), RowError("a"), RowError("c"), RowError("c"))
    assert found.kinds == (("c", 2), ("a", 1), ("b", 1))


def test_a_row_counts_once_for_each_of_its_errors() -> None:
    both = (RowError("too long", "name"), RowError("too long", "name"), RowError("missing", "email"))
    assert summary([both], False) == Summary(1, (("email: missing", 1), ("name: too long", 1)))


def test_what_a_text_quotes_of_its_row_is_taken_out_without_quotation_marks_too() -> None:
    row = RowError("no contact Anna Example in Berlin", quotable=("Anna", "Anna Example", "in", "Berlin"))
    assert summed(row).kinds == (("no contact … in …", 1),)


def test_the_same_field_of_another_row_is_the_same_field() -> None:
    found = summed(RowError("missing", "contacts[3].email"), RowError("missing", "contacts[14].email"))
    assert found.kinds == (("contacts[…].email: missing", 2),)


def test_a_field_or_a_code_that_looks_like_a_value_is_masked() -> None:
    found = summed(RowError("missing", "anna@example.com", "5550100199"))
    assert found.kinds == (("…: missing […]", 1),)


def test_codes_stay() -> None:
    assert [summed(RowError("", code=code)).kinds[0][0] for code in ("E1001", "422")] == [
        "no message [E1001]",
        "no message [422]",
    ]


def test_data_is_shown_where_it_is_asked_for() -> None:
    row = RowError("'Anna'\nis wrong", "name[3]", "x@y", ("Anna",))
    assert summed(row, show_data=True).kinds == (("name[3]: 'Anna' is wrong [x@y]", 1),)
