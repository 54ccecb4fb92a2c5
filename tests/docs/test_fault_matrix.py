"""The matrix on the page is the one that the tests run."""

from tools.fault_matrix import BEGIN, END, PAGE, with_matrix


def test_the_fault_matrix_on_the_page_is_that_of_the_tests() -> None:
    page = PAGE.read_text()
    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert page == with_matrix(page), "write it again: make docs"
