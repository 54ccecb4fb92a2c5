"""The table of flags on the page is that of the program."""

from tools.flag_table import HEAD, PAGE, with_table


def test_the_table_of_flags_is_that_of_the_program() -> None:
    page = PAGE.read_text()
    assert page.count(HEAD) == 1
    assert page == with_table(page), "write it again: make docs"
