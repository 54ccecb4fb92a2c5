"""Each fuzz target with its seeds and some hundred inputs made of them; `make fuzz` tries many more."""

import importlib

import pytest

from tests.fuzz.target import inputs, put, seed
from tests.fuzz.targets import MODULES, NAMES, opened
from tests.support.properties import examples

_INPUTS = 150


@pytest.mark.parametrize("name", NAMES)
def test_whatever_the_input_the_target_keeps_its_promises(name: str) -> None:
    with opened(name) as target:
        for data in inputs(target, examples(max(5, round(_INPUTS / target.cost))), seed()):
            put(target, data)


def test_all_targets_are_named() -> None:
    for module, names in MODULES.items():
        assert set(importlib.import_module(f"tests.fuzz.targets.{module}").TARGETS) == set(names)
