"""The rooms of the package are those of docs/architecture.md, and so is what they import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGE = ROOT / "exporter"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
BEGINNING = "__main__"


def rows(head: str) -> dict[str, set[str]]:
    """The first cell's code words, each with those of the last cell, of the table under this head."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    found = {}
    for line in table:
        cells = line.strip("|").split("|")
        for name in re.findall(r"`([\w.]+)`", cells[0]):
            found[name] = set(re.findall(r"`([\w.]+)`", cells[-1])) | ({"*"} if "everything" in cells[-1] else set())
    return found


ROOMS = rows("| room | holds | may import |\n")
LIBRARIES = rows("| library | only in |\n")
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


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


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def used_rooms() -> dict[str, set[str]]:
    """Each room with those that its modules import."""
    used: dict[str, set[str]] = {}
    for path in MODULES:
        names = {name.split(".")[1] for name in imports(path) if name.startswith("exporter.")}
        used.setdefault(room(path), set()).update(names - {room(path), "__version__"})
    return used


def test_the_rooms_are_those_of_the_page() -> None:
    assert {room(path) for path in MODULES} - {BEGINNING} == set(ROOMS)
    assert len(ROOMS) <= 14


def test_a_room_imports_what_its_row_allows_and_nothing_else() -> None:
    used = used_rooms()
    assert used.pop(BEGINNING) == {"cli"}
    assert used.pop("cli") == set(ROOMS) - {"cli"}
    assert used == {name: allowed for name, allowed in ROOMS.items() if name != "cli"}


def test_no_room_imports_itself_by_way_of_others() -> None:
    left = used_rooms()
    while free := {name for name, used in left.items() if not used & set(left)}:
        left = {name: used for name, used in left.items() if name not in free}
    assert left == {}


def test_a_library_is_imported_only_where_it_is_at_home() -> None:
    strays = [
        (path, name)
        for path in MODULES
        for name in imports(path)
        if name.partition(".")[0] in LIBRARIES and room(path) not in LIBRARIES[name.partition(".")[0]]
    ]
    assert strays == []


def test_the_program_has_one_lock_and_it_is_on_the_snapshot_store() -> None:
    served = [path for path in MODULES if room(path) != "demo"]
    holders = [path for path in served if re.search(r"\b(R?Lock|Condition)\(", path.read_text())]
    assert holders == [PACKAGE / "exposition" / "snapshot.py"]


def test_importing_a_module_does_nothing() -> None:
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            guard = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
            assert docstring or guard or isinstance(node, quiet), f"{path}:{node.lineno}"
