"""The rooms of the package are those of docs/architecture.md, and so is what they import."""

import ast
import re
import sys
import tomllib

from tests.support.paths import ROOT
from tools.rooms import MODULES, PACKAGE, imports, picture, room, room_imports, shown

PAGE = (ROOT / "docs" / "architecture.md").read_text()
BEGINNING = "__main__"


def rows(head: str) -> dict[str, set[str]]:
    """Return the rows of the table under this head: each code word of the first cell, with those of the last one."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    found = {}
    for line in table:
        cells = line.strip("|").split("|")
        for name in re.findall(r"`([\w.-]+)`", cells[0]):
            found[name] = set(re.findall(r"`([\w.]+)`", cells[-1])) | ({"*"} if "everything" in cells[-1] else set())
    return found


ROOMS = rows("| room | holds | may import |\n")
LIBRARIES = rows("| library | only in |\n")


def test_the_rooms_are_those_of_the_page() -> None:
    assert {room(path) for path in MODULES} - {BEGINNING} == set(ROOMS)
    assert len(ROOMS) <= 14


def test_a_room_imports_what_its_row_allows_and_nothing_else() -> None:
    used = dict(room_imports())
    assert used.pop(BEGINNING) == {"cli"}
    assert used.pop("cli") <= set(ROOMS) - {"cli"}
    assert used == {name: allowed for name, allowed in ROOMS.items() if name != "cli"}


def test_no_room_imports_itself_by_way_of_others() -> None:
    left = room_imports()
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


def test_every_library_that_is_imported_has_a_home() -> None:
    used = {name.partition(".")[0] for path in MODULES for name in imports(path)}
    assert used - sys.stdlib_module_names - {"exporter"} == LIBRARIES.keys() - sys.stdlib_module_names


def test_every_dependency_is_explained_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    assert set(rows("| library | why |\n")) == {re.split(r"[\[<>=]", each)[0] for each in asked}


def test_only_the_folder_of_a_database_knows_its_library() -> None:
    folder = PACKAGE / "state" / "sqlite"
    assert {path.parent for path in MODULES if "sqlite3" in imports(path)} == {folder}


def test_the_program_has_one_lock_and_it_is_on_the_snapshot_store() -> None:
    served = [path for path in MODULES if room(path) != "demo"]
    holders = [path for path in served if re.search(r"\b(R?Lock|Condition)\(", path.read_text())]
    assert holders == [PACKAGE / "exposition" / "snapshot.py"]


def test_no_module_has_more_than_300_lines() -> None:
    assert [path for path in MODULES if len(path.read_text().splitlines()) > 300] == []


def test_importing_a_module_does_nothing() -> None:
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            guard = isinstance(node, ast.If) and ast.unparse(node.test).split()[0] in ("__name__", "TYPE_CHECKING")
            assert docstring or guard or isinstance(node, quiet), f"{path}:{node.lineno}"


def test_the_picture_of_the_rooms_is_that_of_the_imports() -> None:
    assert (ROOT / "docs" / "rooms.svg").read_text() == picture(shown()), "run `make docs`"
