"""Measure how many mutations of the code the tests notice: `make mutants` runs this, CONTRIBUTING.md explains it.

cosmic-ray makes the mutations. Each mutant of a reproducible random sample is written into a copy of the checkout, in
which a forked process runs the tests that concern the module, up to the first that fails.
"""

import argparse
import ast
import contextlib
import importlib
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

ROOT = Path(__file__).parents[1]

GROUPS = {
    "ledger and rows": ("exporter/ledger.py", "exporter/publication.py", "exporter/rows.py", "exporter/sums.py"),
    "state": ("exporter/state/*.py",),
    "client": ("exporter/client/*.py",),
    "engine": ("exporter/engine/*.py",),
}

# The tests that concern a module, the fastest first. The longest path that fits counts.
_POLLS = "tests/engine/test_engine.py tests/engine/test_reconcile.py tests/engine/test_engine_properties.py"
_STATE = "tests/state/test_failed_records.py tests/state/test_migration.py tests/state/test_records_properties.py"
_FILES = "tests/state/test_file.py tests/state/test_damage.py tests/state/test_state.py"
_SERIES = "tests/engine/test_packagex_list.py tests/engine/test_scopes.py"
_CONNECT = "tests/client/test_connect.py"
_EXAMINED = (
    "a_folder_or_file_that_may_not_be_written_is_a_problem",
    "a_good_state_file_is_no_problem_new_or_old_empty_or_in_use",
    "a_state_file_that_can_not_be_used_is_a_problem_with_its_line",
    "a_state_file_that_could_not_be_made_is_a_problem_with_its_line",
    "an_empty_log_beside_it_hides_no_damage",
    "a_path_that_no_file_can_have_is_a_problem",
    "a_state_file_may_have_any_name",
)
TESTS = {
    "exporter/ledger": "tests/test_ledger.py tests/test_metrics.py tests/engine/test_counters.py",
    "exporter/publication": "tests/test_publication.py",
    "exporter/rows": "tests/test_metrics.py tests/test_golden.py",
    "exporter/sums": f"tests/test_failures.py tests/test_metrics.py {_STATE} tests/test_golden.py",
    "exporter/state/": f"{_STATE} {_FILES} tests/engine/test_counters.py",
    "exporter/state/records": f"{_STATE} tests/engine/test_exposed.py tests/engine/test_counters.py {_SERIES}",
    "exporter/state/series": f"{_STATE} tests/engine/test_exposed.py {_SERIES}",
    "exporter/state/marks": "tests/engine/test_clock.py tests/engine/test_scopes.py tests/engine/test_counters.py",
    "exporter/state/examine": " ".join(f"tests/test_check.py::test_{name}" for name in _EXAMINED),
    "exporter/client/": "tests/client/test_client.py tests/client/test_download.py",
    "exporter/client/authorities": "tests/client/test_tls.py",
    "exporter/client/budget": "tests/client/test_budget.py tests/client/test_room.py",
    "exporter/client/client": "tests/client/test_client.py tests/client/test_budget.py tests/client/test_room.py",
    "exporter/client/connect": f"{_CONNECT} tests/client/test_close.py tests/client/test_cutoff.py",
    "exporter/client/connections": f"tests/client/test_tls.py {_CONNECT} tests/client/test_client.py",
    "exporter/client/cutoff": "tests/client/test_cutoff.py tests/client/test_lookup.py tests/client/test_client.py",
    "exporter/client/host_kind": "tests/client/test_host_kind.py tests/client/test_download.py",
    "exporter/client/lookup": "tests/client/test_lookup.py tests/client/test_connect.py",
    "exporter/client/re": "tests/client/test_refusal.py tests/client/test_retry.py tests/client/test_client.py",
    "exporter/client/reach": f"tests/client/test_host_kind.py tests/client/test_download.py {_CONNECT}",
    "exporter/client/room": "tests/client/test_room.py",
    "exporter/client/transport": "tests/client/test_client.py tests/client/test_close.py tests/client/test_download.py",
    "exporter/engine/": _POLLS,
    "exporter/engine/backfill": f"{_POLLS} tests/engine/test_ends.py",
    "exporter/engine/clock": "tests/engine/test_clock.py",
    "exporter/engine/collector": f"tests/engine/test_scopes.py tests/engine/test_clock.py {_POLLS}",
    "exporter/engine/discover": f"tests/engine/test_pages.py {_POLLS}",
    "exporter/engine/doubts": "tests/engine/test_reconcile.py tests/engine/test_engine_properties.py",
    "exporter/engine/ends": "tests/engine/test_ends.py",
    "exporter/engine/labels": "tests/engine/test_scopes.py",
    "exporter/engine/last_page": "tests/engine/test_lies.py tests/engine/test_ends.py",
    "exporter/engine/manners": "tests/engine/test_pages.py tests/engine/test_large_pages.py",
    "exporter/engine/newest_first": "tests/engine/test_lies.py tests/engine/test_ends.py",
    "exporter/engine/pages": "tests/engine/test_ends.py tests/engine/test_pages.py",
    "exporter/engine/reconcile": "tests/engine/test_reconcile.py tests/engine/test_ends.py",
}

CASES = "not however_that_is_told or 101"
"""Of 840 cases of one test a seventh."""

OPERATORS = """
    AddNot ReplaceAndWithOr ReplaceOrWithAnd ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceUnaryOperator_Delete_Not
    ReplaceUnaryOperator_Delete_USub NumberReplacer ExceptionReplacer RemoveDecorator ZeroIterationForLoop
    ReplaceBreakWithContinue ReplaceContinueWithBreak
    ReplaceBinaryOperator_Add_Sub ReplaceBinaryOperator_Sub_Add ReplaceBinaryOperator_Mul_Div
    ReplaceBinaryOperator_Div_Mul ReplaceBinaryOperator_FloorDiv_Mul ReplaceBinaryOperator_Mod_FloorDiv
    ReplaceBinaryOperator_Pow_Mul ReplaceBinaryOperator_BitOr_BitAnd ReplaceBinaryOperator_BitAnd_BitOr
    ReplaceBinaryOperator_LShift_RShift
    ReplaceComparisonOperator_Eq_NotEq ReplaceComparisonOperator_NotEq_Eq
    ReplaceComparisonOperator_Lt_LtE ReplaceComparisonOperator_Lt_GtE ReplaceComparisonOperator_LtE_Lt
    ReplaceComparisonOperator_LtE_Gt ReplaceComparisonOperator_Gt_GtE ReplaceComparisonOperator_Gt_LtE
    ReplaceComparisonOperator_GtE_Gt ReplaceComparisonOperator_GtE_Lt
    ReplaceComparisonOperator_Is_IsNot ReplaceComparisonOperator_IsNot_Is
"""
"""Those of cosmic-ray's that change what the code does: `==` for `is` and the like say the same, and are left out."""

LIBRARIES = "bcrypt h11 hypothesis prometheus_client pydantic requests trustme uvicorn yaml"
"""Imported once, before the first fork."""

_TEST_SECONDS = 60
_MEMORY_BYTES = 4 << 30
_Position = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    module: str
    line: int
    operator: str
    source: str
    code: str

    def change(self) -> str:
        """The first line that differs, before and after."""
        lines = zip(self.source.splitlines(), self.code.splitlines(), strict=False)
        old, new = next(pair for pair in lines if pair[0] != pair[1])
        return f"{self.module}:{self.line}: {self.operator}: {old.strip()}  ->  {new.strip()}"


@dataclass
class Run:
    slot: Path
    mutant: Mutant
    deadline: float


@dataclass(frozen=True)
class Place:
    """Where an operator can mutate a module."""

    module: str
    operator: str
    occurrence: int
    line: int

    def mutant(self) -> Mutant | None:
        """Mutate; None if the operator cannot, or the code stays the same."""
        source = (ROOT / self.module).read_text()
        # cosmic-ray's replacement of exceptions fails at dotted names.
        with contextlib.suppress(SyntaxError, AttributeError):
            code = mutate_code(source, OperatorProvider()[self.operator](), self.occurrence)
            if ast.dump(ast.parse(code)) != ast.dump(ast.parse(source)):
                return Mutant(self.module, self.line, self.operator, source, code)
        return None


def places(module: str) -> Iterator[Place]:
    """Find where a module can be mutated with an effect."""
    source = (ROOT / module).read_text()
    lines = source.splitlines()
    spared = list(_spared(ast.parse(source)))
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS.split():
        operator = OperatorProvider()[name]()
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            in_signature = re.match(r"\*\s*,", lines[start[0] - 1][start[1] :])
            if not in_signature and not any(first <= start < last for first, last in spared):
                yield Place(module, name, occurrence, start[0])


def _spared(tree: ast.AST) -> Iterator[tuple[_Position, _Position]]:
    """Find where a mutation cannot matter: annotations, type aliases, declarations, texts for people."""
    for node in ast.walk(tree):
        for part in _without_effect(node):
            # The operators see a decorator from its @ on.
            yield (part.lineno, max(0, part.col_offset - 1)), (part.end_lineno or 0, part.end_col_offset or 0)


def _without_effect(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.arg(annotation=part) | ast.AnnAssign(annotation=part):
            return [] if part is None else [part]
        case ast.FunctionDef():
            declarations = [each for each in node.decorator_list if _is_declaration(each)]
            return declarations if node.returns is None else [*declarations, node.returns]
        case ast.ClassDef():
            return [each for each in node.decorator_list if _is_declaration(each)]
        case ast.Assign(value=ast.Subscript() | ast.BinOp(op=ast.BitOr()) as value, targets=[ast.Name(id=name)]) if (
            name.strip("_")[:1].isupper() and not name.isupper()
        ):
            return [value]
        case ast.Assign(value=value, targets=[ast.Name(id=name)]) if name.isupper() and _is_number(value):
            # A size or a duration: one more or less of it is no other rule.
            return [value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log" | "logger" | "LOG"))):
            return [*node.args]
        case ast.Call(func=ast.Name(id="zip"), keywords=[ast.keyword(arg="strict", value=value)]):
            # It asserts what holds.
            return [value]
        case ast.Raise(exc=ast.Call(args=args)):
            return [each for each in args if isinstance(each, ast.JoinedStr | ast.BinOp | ast.IfExp)]
    return []


def _is_number(value: ast.expr) -> bool:
    return all(
        isinstance(node, ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        for node in ast.walk(value)
    )


def _is_declaration(decorator: ast.expr) -> bool:
    name = ast.unparse(decorator).split("(")[0]
    return name in {"dataclass", "override", "abstractmethod", "final"}


def sample(modules: Sequence[str], size: int | None, chance: random.Random) -> list[Mutant]:
    """Choose mutants of a group's modules."""
    found = [place for module in modules for place in places(module)]
    chance.shuffle(found)
    made = (mutant for place in found if (mutant := place.mutant()) is not None)
    return sorted(itertools.islice(made, size), key=lambda mutant: (mutant.module, mutant.line))


def _fitting(module: str) -> str:
    return max((path for path in TESTS if module.startswith(path)), key=len)


def copy_into(folder: Path) -> None:
    """Copy what git knows of the checkout, and what is new in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


class Limit:
    """Ends the process at a test that takes for ever."""

    def pytest_runtest_logstart(self) -> None:
        signal.alarm(_TEST_SECONDS)

    def pytest_runtest_logfinish(self) -> None:
        signal.alarm(0)


def start(folder: Path, tests: Sequence[str]) -> int:
    """Run tests in a process of its own, in a group of its own."""
    if pid := os.fork():
        return pid
    os.setsid()
    os.chdir(folder)
    output = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(PYTHONPATH=str(folder), PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(folder)]
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quick = [
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--assert=plain",
        f"--basetemp={folder.with_suffix('.tmp')}",
    ]
    code = 99
    try:
        code = int(pytest.main([*quick, "-m", "not programs", "-k", CASES, *tests], plugins=[Limit()]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def baseline(folder: Path, tests: Sequence[str]) -> float:
    """Return how long the tests take without a mutation; the program ends if they fail."""
    began = time.monotonic()
    pid = start(folder, tests)
    _, status = os.waitpid(pid, 0)
    end(pid)
    if status:
        sys.exit(
            f"without a mutation these tests fail: {' '.join(tests)}\n{folder.with_suffix('.log').read_text()[-3000:]}"
        )
    return time.monotonic() - began


def judge(chosen: Iterable[Mutant], slots: Sequence[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Run the tests of each mutant. Yield each with whether it survived."""
    limits: dict[str, float] = {}
    runs: dict[int, Run] = {}
    free = list(slots)
    try:
        for mutant in chosen:
            slot = free.pop()
            tests = TESTS[_fitting(mutant.module)]
            if tests not in limits:
                limits[tests] = 20 + 4 * baseline(slot, tests.split())
            (slot / mutant.module).write_text(mutant.code)
            pid = start(slot, tests.split())
            runs[pid] = Run(slot, mutant, time.monotonic() + limits[tests])
            while not free:
                yield from _ended(runs, free)
        while runs:
            yield from _ended(runs, free)
    finally:
        for pid in runs:
            end(pid)


def _ended(runs: dict[int, Run], free: list[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Wait a moment, and yield those that are done or late."""
    time.sleep(0.05)
    for pid, run in list(runs.items()):
        late = time.monotonic() > run.deadline
        if late:
            end(pid)
        done, status = os.waitpid(pid, 0 if late else os.WNOHANG)
        if done:
            # What the tests have started.
            end(pid)
            del runs[pid]
            (run.slot / run.mutant.module).write_text(run.mutant.source)
            free.append(run.slot)
            yield run.mutant, status == 0


def report(results: Sequence[tuple[Mutant, bool]]) -> None:
    """Print a table by module, with a sum for each group, and the survivors."""
    row = "{:<36} {:>8} {:>8} {:>9} {:>7}"
    print("\n" + row.format("module", "mutants", "killed", "survived", "share"))
    for group in GROUPS:
        here = [result for result in results if group_of(result[0].module) == group]
        modules = sorted({mutant.module for mutant, _ in here})
        for name, part in [
            *((each, [r for r in here if r[0].module == each]) for each in modules),
            (group.upper(), here),
        ]:
            survived = sum(lives for _, lives in part)
            if part:
                share = f"{survived / len(part):.1%}"
                print(row.format(name, len(part), len(part) - survived, survived, share))
    print("\nsurvivors:")
    for mutant, lives in results:
        if lives:
            print(mutant.change())


def modules_of(group: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for pattern in GROUPS[group] for path in ROOT.glob(pattern))


def group_of(module: str) -> str:
    return next(group for group in GROUPS if module in modules_of(group))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="50", help="mutants of each group, or all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="PATH", help="of the sample only PATH, or PATH:LINE:"
    )
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    size = None if given.sample == "all" else int(given.sample)
    for library in LIBRARIES.split():
        importlib.import_module(library)
    chosen = []
    for group in GROUPS:
        made = sample(modules_of(group), size, random.Random(f"{given.seed} {group}"))
        chosen += [mutant for mutant in made if f"{mutant.module}:{mutant.line}:".startswith(tuple(given.only))]
    results = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        slots = [Path(folder) / str(number) for number in range(given.workers)]
        for slot in slots:
            copy_into(slot)
        began = time.monotonic()
        for mutant, lives in judge(chosen, slots):
            results.append((mutant, lives))
            passed = time.monotonic() - began
            print(
                f"{len(results)}/{len(chosen)} {passed:.0f} s {'SURVIVED' if lives else 'killed'} {mutant.change()}",
                flush=True,
            )
    report(results)


if __name__ == "__main__":
    main()
