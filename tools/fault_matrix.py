"""`python -m tools.fault_matrix`: write the fault matrix into docs/reliability.md, from the data that the tests run."""

from tests.support.matrix.table import lines
from tests.support.pages import DOCS

PAGE = DOCS / "reliability.md"
BEGIN = "<!-- fault matrix: written by `make docs` -->\n"
END = "<!-- end of the fault matrix -->\n"


def with_matrix(page: str) -> str:
    """Return the page with the matrix as the tests have it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "".join([before, BEGIN, "\n", *(f"{line}\n" for line in lines()), END, after])


if __name__ == "__main__":
    PAGE.write_text(with_matrix(PAGE.read_text()))
