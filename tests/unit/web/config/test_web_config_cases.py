"""The files in cases/, each with what is expected of it in its first lines.

`# error: <regular expression>` once for each problem and `# warning:` once for each warning, in order, matched from the
line number on; `# expect: <expression> == <literal>` for the values that a good file has.
"""

import ast
import re
import shutil
from pathlib import Path

import pytest

from exporter.config import ConfigError, Problem
from exporter.web.config import WebConfigFile

CASES = Path(__file__).parent / "cases"
BAD = sorted(CASES.glob("*.bad.yml"))
GOOD = sorted(CASES.glob("*.good.yml"))
SECRETS = ("CANARY", "$2", "PRIVATE KEY")


def case_name(path: Path) -> str:
    return path.name.removesuffix(".yml")


def header(path: Path, word: str) -> list[str]:
    return re.findall(rf"^# {word}: (.*)$", path.read_text(), re.MULTILINE)


def current(case: Path, folder: Path) -> WebConfigFile:
    """Return the case as a file beside the certificates that it names."""
    return WebConfigFile(Path(shutil.copy(case, folder)))


def error_of(case: Path, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        current(case, folder)
    return caught.value


def messages(problems: tuple[Problem, ...], case: Path, folder: Path) -> list[str]:
    return [str(problem).removeprefix(str(folder / case.name)) for problem in problems]


def assert_like(lines: list[str], patterns: list[str]) -> None:
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.search(pattern, line), line


@pytest.mark.parametrize("case", BAD, ids=case_name)
def test_every_problem_of_a_bad_file_is_reported_and_no_other(case: Path, certificates: Path) -> None:
    expected = header(case, "error")
    assert expected, "a bad case must say which errors it expects"
    assert_like(messages(error_of(case, certificates).problems, case, certificates), expected)


@pytest.mark.parametrize("case", BAD, ids=case_name)
def test_no_message_holds_a_secret(case: Path, certificates: Path) -> None:
    error = error_of(case, certificates)
    shown = [str(error), repr(error), *map(repr, error.problems), repr(error.__cause__)]
    assert not [text for text in shown for secret in SECRETS if secret in text]
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("case", BAD, ids=case_name)
def test_a_message_is_one_line_of_readable_length(case: Path, certificates: Path) -> None:
    for line in messages(error_of(case, certificates).problems, case, certificates):
        assert line.isprintable()
        assert len(line) < 260


@pytest.mark.parametrize("case", GOOD, ids=case_name)
def test_a_good_file_comes_to_what_it_says(case: Path, certificates: Path) -> None:
    config = current(case, certificates).config
    expected = [line.split(" == ", 1) for line in header(case, "expect")]
    assert expected, "a good case must say what it expects"
    values = {name: getattr(config, name) for name in ("tls", "headers", "users", "rate_limit")}
    for expression, literal in expected:
        wanted = frozenset(re.findall(r"'([^']*)'", literal)) if "frozenset" in literal else ast.literal_eval(literal)
        assert eval(expression, values) == wanted, expression  # noqa: S307 (the cases are ours)


@pytest.mark.parametrize("case", GOOD, ids=case_name)
def test_what_a_good_file_can_t_have_is_said_in_warnings(case: Path, certificates: Path) -> None:
    config = current(case, certificates).config
    assert_like(messages(config.warnings, case, certificates), header(case, "warning"))


@pytest.mark.parametrize("case", GOOD, ids=case_name)
def test_a_web_configuration_does_not_show_its_secrets(case: Path, certificates: Path) -> None:
    config = current(case, certificates).config
    assert not [secret for secret in SECRETS if secret in repr(config) + str(config)]


def test_there_are_cases_of_both_kinds() -> None:
    assert len(BAD) >= 30
    assert len(GOOD) >= 20
