"""How many examples property tests try."""

import re

import pytest

from tests.support.paths import ROOT
from tests.support.properties import examples

FEWEST = 20


@pytest.mark.parametrize(("factor", "count"), [(None, 20), ("", 20), ("10", 200), ("0.1", 2), ("0", 1)])
def test_there_are_as_many_examples_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, factor: str | None, count: int
) -> None:
    monkeypatch.delenv("EXAMPLES", raising=False)
    if factor is not None:
        monkeypatch.setenv("EXAMPLES", factor)
    assert examples(20) == count


def test_each_property_test_tries_some_examples_and_can_try_more() -> None:
    given = [
        found
        for path in sorted((ROOT / "tests").glob("**/*.py"))
        for found in re.findall(r"\bmax_examples=([^,\n]+)", path.read_text())
        if path.name != "test_properties.py"
    ]
    assert given
    numbers = [re.fullmatch(r"examples\((\d+)\)\)?", example) for example in given]
    assert [
        example for example, found in zip(given, numbers, strict=True) if found is None or int(found[1]) < FEWEST
    ] == []
