"""docs/troubleshooting.md quotes what the exporter says, and leaves nothing out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
PACKAGE = ROOT / "exporter"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "demo" not in path.relative_to(PACKAGE).parts]
ERRORS = {"FetchError", "StateError", "ListenError", "TokenError", "NotYaml", "Finding", "Foreign", "ValueError"}
OF_FILES = {"Unreadable"}
"""In config/; in systems/ it holds no message."""
LOGGED = {"debug", "info", "warning", "error", "exception"}
FOR_DEVELOPERS = {"text_format.py"}
"""Raises ValueError for what only a mistake in the code can be."""
SHORTEST = 12
"""Parts of a message that are shorter are not looked for: units, punctuation."""


def parts(node: ast.expr) -> list[str]:
    """Return the fixed parts of a text."""
    constants = [child.value for child in ast.walk(node) if isinstance(child, ast.Constant)]
    return [part for constant in constants if isinstance(constant, str) for part in constant.split("%s")]


def messages(path: Path) -> Iterator[str]:
    """Yield the fixed parts of what a module raises or logs."""
    wanted = ERRORS | (OF_FILES if path.is_relative_to(PACKAGE / "config") else set())
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(name) if name in wanted:
                arguments = node.args
            case ast.Attribute(ast.Name("log"), name) if name in LOGGED - {"debug"}:
                arguments = node.args[:1]
            case _:
                continue
        yield from (part for argument in arguments for part in parts(argument) if len(part) >= SHORTEST)


def quoted() -> list[str]:
    """Return the messages in the first column of the tables."""
    first = re.findall(r"^\| (`.+?`) \| ", PAGE, re.MULTILINE)
    return [message for cell in first for message in re.findall(r"`([^`]+)`", cell)]


@pytest.fixture(scope="module")
def texts() -> str:
    """Return all texts in the code but docstrings, joined by newlines."""
    return "\n".join(text for path in PACKAGE.rglob("*.py") for text in texts_of(path))


def texts_of(path: Path) -> Iterator[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and node not in docstrings and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize(
    "path", [module for module in MODULES if module.name not in FOR_DEVELOPERS], ids=lambda path: path.stem
)
def test_whatever_the_exporter_says_is_explained(path: Path) -> None:
    page = " ".join(quoted())
    for part in messages(path):
        assert part.strip(" :;(") in page


@pytest.mark.parametrize("message", quoted())
def test_a_message_that_is_explained_can_be_said(message: str, texts: str) -> None:
    for part in re.split("…", message):
        assert part.strip(" :;()") in texts
