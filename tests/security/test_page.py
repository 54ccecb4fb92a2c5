"""docs/security.md names a test for each promise, and no promise stands there without one."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
PROMISES = re.findall(r"^\| (.+?) \| (`tests/.*|) \|$", PAGE.partition("| promise | test |")[2], re.MULTILINE)
NAMED = [reference for _, tests in PROMISES for reference in re.findall(r"`(tests/[^`]+)`", tests)]


def functions_of(path: Path) -> set[str]:
    """Return the names of a module's functions."""
    return {statement.name for statement in ast.parse(path.read_text()).body if isinstance(statement, ast.FunctionDef)}


def test_every_line_of_the_table_is_a_promise_with_its_tests() -> None:
    rows = PAGE.partition("| promise | test |\n| --- | --- |\n")[2].splitlines()
    assert len(PROMISES) == len(rows) > 20
    assert all(re.fullmatch(r"`[^`]+`(<br>`[^`]+`)*", tests) for _, tests in PROMISES)


@pytest.mark.parametrize("named", sorted(set(NAMED)))
def test_a_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert name in functions_of(ROOT / path)


@pytest.mark.parametrize(
    "path", sorted(set(Path(__file__).parent.glob("test_*.py")) - {Path(__file__)}), ids=lambda path: path.stem
)
def test_every_test_of_a_promise_is_named(path: Path) -> None:
    ours = {f"{path.relative_to(ROOT)}::{name}" for name in functions_of(path) if name.startswith("test_")}
    assert ours <= set(NAMED)
