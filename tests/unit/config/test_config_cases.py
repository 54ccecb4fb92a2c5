"""The files in cases/, each with what is expected of it in its first lines.

`# error: <regular expression>` once for each problem, in order, matched from the line number on;
`# expect: <place> == <literal>` for the values that a good file has.
"""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.config import Config, ConfigError, load
from exporter.model.system import System

CASES = Path(__file__).parent / "cases"
BAD = sorted(CASES.glob("*.bad.yaml"))
GOOD = sorted(CASES.glob("*.good.yaml"))
ENVIRON = {
    "SET_TOKEN": "CANARY-in-the-environment",
    "EMPTY_TOKEN": "",
    "SPLIT_TOKEN": "CANARY\nsplit",
    "PLACEHOLDER_TOKEN": "changeme",
}


def case_name(path: Path) -> str:
    return path.name.removesuffix(".yaml")


def header(path: Path, word: str) -> list[str]:
    return re.findall(rf"^# {word}: (.*)$", path.read_text(), re.MULTILINE)


def error_of(path: Path, systems: Mapping[str, System]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, systems, ENVIRON)
    return caught.value


def looked_up(config: Config, place: str) -> object:
    value: object = config
    for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", place):
        value = getattr(value, name)
        if index:
            assert isinstance(value, tuple)
            value = value[int(index)]
    return value


@pytest.mark.parametrize("path", BAD, ids=case_name)
def test_every_problem_of_a_bad_file_is_reported_and_no_other(path: Path, systems: Mapping[str, System]) -> None:
    problems = [str(problem).removeprefix(str(path)) for problem in error_of(path, systems).problems]
    expected = header(path, "error")
    assert expected, "a bad case must say which errors it expects"
    assert len(problems) == len(expected), problems
    for problem, pattern in zip(problems, expected, strict=True):
        assert re.search(pattern, problem), problem


@pytest.mark.parametrize("path", BAD, ids=case_name)
def test_no_message_holds_a_secret(path: Path, systems: Mapping[str, System]) -> None:
    error = error_of(path, systems)
    shown = [str(error), repr(error), *map(repr, error.problems), repr(error.__cause__)]
    assert not [text for text in shown if "CANARY" in text]
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("path", BAD, ids=case_name)
def test_a_message_is_one_line_of_readable_length(path: Path, systems: Mapping[str, System]) -> None:
    for problem in error_of(path, systems).problems:
        line = str(problem).removeprefix(str(path))
        assert line.isprintable()
        assert len(line) < 230


@pytest.mark.parametrize("path", GOOD, ids=case_name)
def test_a_good_file_comes_to_what_it_says(path: Path, systems: Mapping[str, System]) -> None:
    config = load(path, systems, ENVIRON)
    expected = [line.split(" == ", 1) for line in header(path, "expect")]
    assert expected, "a good case must say what it expects"
    for place, literal in expected:
        assert looked_up(config, place) == ast.literal_eval(literal), place


@pytest.mark.parametrize("path", GOOD, ids=case_name)
def test_a_configuration_does_not_show_its_secrets(path: Path, systems: Mapping[str, System]) -> None:
    config = load(path, systems, ENVIRON)
    assert "CANARY" not in repr(config) + str(config)


def test_there_are_cases_of_both_kinds() -> None:
    assert len(BAD) >= 40
    assert len(GOOD) >= 10
