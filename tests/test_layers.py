"""The layers in docs/architecture.md are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "exporter"
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def rows(head: str) -> dict[str, set[str]]:
    """The first cell's code words, each with those of the last cell, of the table under this head."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    found = {}
    for line in table:
        cells = line.strip("|").split("|")
        for name in re.findall(r"`([\w.]+)`", cells[0]):
            found[name] = set(re.findall(r"`([\w.]+)`", cells[-1])) | ({"*"} if "everything" in cells[-1] else set())
    return found


LAYERS = rows("| module | holds | may import |\n")
LIBRARIES = rows("| library | only in |\n")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(module: str) -> str:
    return module.partition(".")[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "exporter":
                yield from (f"exporter.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def own_layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_a_row_and_every_row_a_module() -> None:
    assert {own_layer(path) for path in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_row_allows(path: Path) -> None:
    own = own_layer(path)
    allowed = LAYERS[own] | {own, "__version__"}
    used = {name.removeprefix("exporter.") for name in imports(path) if name.startswith("exporter.")}
    assert "*" in allowed or {layer(name) for name in used} <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_is_imported_only_where_it_is_at_home(path: Path) -> None:
    for name in imports(path):
        homes = LIBRARIES.get(name.partition(".")[0])
        assert homes is None or own_layer(path) in homes


def test_what_a_row_allows_is_used() -> None:
    used: dict[str, set[str]] = {}
    for path in MODULES:
        names = {layer(name.removeprefix("exporter.")) for name in imports(path) if name.startswith("exporter.")}
        used.setdefault(own_layer(path), set()).update(names)
    unused = {name: allowed - used[name] - {"*"} for name, allowed in LAYERS.items()}
    assert {name: left for name, left in unused.items() if left} == {}


def test_the_program_has_one_lock_and_it_is_on_the_board() -> None:
    served = [path for path in MODULES if own_layer(path) != "demo"]
    holders = {own_layer(path) for path in served if re.search(r"\b(R?Lock|Condition)\(", path.read_text())}
    assert holders == {"snapshot"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_importing_a_module_does_nothing(path: Path) -> None:
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(path.read_text()).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        guard = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        assert docstring or guard or isinstance(node, quiet), f"{path}:{node.lineno}"
