"""How a problem is worded."""

import pytest

from exporter.config.source.problems import ConfigError, Problem, nearest, path_of, shown


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.yaml", 3, "accounts[0].name", "is required"), "a.yaml:3: accounts[0].name: is required"),
        (Problem("a.yaml", None, "", "there is no such file"), "a.yaml: there is no such file"),
    ],
)
def test_a_problem_is_file_line_path_and_message(problem: Problem, text: str) -> None:
    assert str(problem) == text


def test_an_error_is_one_line_for_each_problem() -> None:
    problems = (Problem("a.yaml", 1, "", "x"), Problem("a.yaml", 2, "", "y"))
    assert str(ConfigError(iter(problems))) == "a.yaml:1: x\na.yaml:2: y"
    assert ConfigError(problems).problems == problems


def test_a_path_is_written_as_operators_read_it() -> None:
    assert path_of(("accounts", 1, "tls_config", "ca_file")) == "accounts[1].tls_config.ca_file"
    assert path_of(()) == ""


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
        ("x" * 39 + " CANARY", "x" * 39 + "…"),
        ("x" * 40 + " CANARY", "x" * 39 + "…"),
        ("api_token:CANARY", "api_token…"),
        ("api_token=CANARY:x", "api_token…"),
        ("a\nCANARY", "a…"),
        ("a\x07b", "a?b"),
    ],
)
def test_only_the_first_word_of_what_an_operator_wrote_is_shown(text: str, word: str) -> None:
    assert shown(text) == word


def test_the_nearest_word_is_named_if_one_is_near() -> None:
    assert nearest("INVOCATION", ["batches", "invocations"]) == '; did you mean "invocations"?'
    assert nearest("zebra", ["batches", "invocations"]) == ""
