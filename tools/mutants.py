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
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

ROOT = Path(__file__).parents[1]

GROUPS = {
    "accounting and samples": (
        "exporter/model/accounting.py",
        "exporter/model/publication.py",
        "exporter/exposition/samples.py",
        "exporter/model/totals.py",
    ),
    "state": ("exporter/state/*.py", "exporter/state/sqlite/*.py"),
    "client": ("exporter/client/*.py",),
    "collector": ("exporter/polling/collector/*.py",),
    "scheduler": ("exporter/polling/schedule.py", "exporter/polling/admission.py"),
}

# The tests that concern a module, the fastest first. The longest path that fits counts.
_COUNTED = "polling/counters polling/scopes polling/exposed"
_CLOCK = "polling/trusted_clock"
_OWN = "polling/collector"
_POLLS = "polling/collector polling/reconcile polling/collector_properties"
_STATE = "state/records state/failed_records state/sqlite/rows state/sqlite/migration state/records_properties"
_FILES = "state/sqlite/database state/sqlite/damage state/state"
_ENDS = "polling/list_end polling/unknown_order"
_BY_ID = "polling/set_aside polling/by_id_fails polling/by_id_only"
_KNOWN = "polling/collector/known_answers polling/quiet_poll polling/known_answers"
_SERIES = "polling/packagex_list polling/scopes"
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
    "exporter/model/accounting": "model/accounting exposition/catalog polling/counters",
    "exporter/model/publication": "model/publication",
    "exporter/exposition/samples": "exposition/catalog polling/golden",
    "exporter/model/totals": f"exposition/failed_records exposition/catalog {_STATE} polling/golden",
    "exporter/state/": f"{_STATE} polling/counters",
    "exporter/state/records": f"{_STATE} polling/exposed polling/counters {_SERIES}",
    "exporter/state/series": f"{_STATE} polling/exposed {_SERIES}",
    "exporter/state/checkpoint": "state/records polling/trusted_clock polling/scopes polling/counters",
    "exporter/state/sqlite/": f"{_STATE} {_FILES} polling/counters",
    "exporter/state/sqlite/check": " ".join(f"cli/check::test_{name}" for name in _EXAMINED),
    "exporter/client/": "client/client client/download",
    "exporter/client/authorities": "client/tls",
    "exporter/client/rate_limit": "client/rate_limit client/memory_budget",
    "exporter/client/client": "client/client client/rate_limit client/memory_budget",
    "exporter/client/connect": "client/connect client/close client/deadline",
    "exporter/client/connections": "client/tls client/connect client/client",
    "exporter/client/deadline": "client/deadline client/resolve client/client",
    "exporter/client/error": "client/error_response client/retry client/client",
    "exporter/client/host_kind": "client/host_kind client/download",
    "exporter/client/re": "client/error_response client/retry client/client",
    "exporter/client/resolve": "client/resolve client/connect",
    "exporter/client/route": "client/host_kind client/download client/connect",
    "exporter/client/memory_budget": "client/memory_budget",
    "exporter/client/transport": "client/client client/close client/download",
    "exporter/polling/admission": "polling/admission",
    "exporter/polling/schedule": "polling/schedule",
    "exporter/polling/collector/": _POLLS,
    "exporter/polling/collector/poll": f"polling/quiet_poll {_POLLS} polling/exposed {_CLOCK} polling/known_answers",
    "exporter/polling/collector/by_id": _BY_ID,
    "exporter/polling/collector/set_aside": _BY_ID,
    "exporter/polling/collector/fetch_by_id": f"{_OWN}/fetch_by_id {_BY_ID} polling/quiet_poll {_POLLS}",
    "exporter/polling/collector/backfill": f"{_POLLS} polling/list_end",
    "exporter/polling/collector/by_id_only": "polling/by_id_only polling/poller polling/scopes",
    "exporter/polling/collector/known_answers": _KNOWN,
    "exporter/polling/collector/trusted_clock": "polling/trusted_clock",
    "exporter/polling/collector/collector": f"{_KNOWN} polling/by_id_only {_POLLS} {_COUNTED} {_CLOCK} {_ENDS}",
    "exporter/polling/collector/discover": f"polling/pagination {_KNOWN} {_POLLS} polling/packagex_list",
    "exporter/polling/collector/in_flight": f"polling/quiet_poll polling/packagex_list {_POLLS}",
    "exporter/polling/collector/missing": f"{_OWN}/missing polling/reconcile polling/collector_properties",
    "exporter/polling/collector/list_end": f"{_OWN}/list_end polling/list_end",
    "exporter/polling/collector/labels": f"{_OWN}/labels polling/scopes",
    "exporter/polling/collector/last_page": f"{_OWN}/last_page polling/unreliable_servers polling/list_end",
    "exporter/polling/collector/server_limits": f"{_OWN}/server_limits polling/pagination polling/large_pages",
    "exporter/polling/collector/paged_list": f"polling/pagination {_KNOWN} polling/list_end polling/unreliable_servers",
    "exporter/polling/collector/scope": f"polling/scopes {_CLOCK} {_POLLS}",
    "exporter/polling/collector/pagination": f"polling/pagination {_ENDS}",
    "exporter/polling/collector/reconcile": "polling/reconcile polling/by_id_only polling/list_end",
}
"""Tests of a room, `room/what`: tests/unit/room/test_what.py, or the same below tests/integration."""

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
        """Return the first line that differs, before and after, with its place and the operator."""
        lines = zip(self.source.splitlines(), self.code.splitlines(), strict=False)
        old, new = next(pair for pair in lines if pair[0] != pair[1])
        return f"{self.module}:{self.line}: {self.operator}: {old.strip()}  ->  {new.strip()}"


class Outcome(StrEnum):
    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "SURVIVED"


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


def tests_of(module: str) -> tuple[str, ...]:
    """Return the files of the tests that concern a module, with the one test of a file that is named."""
    named = TESTS[max((path for path in TESTS if module.startswith(path)), key=len)]
    return tuple(map(_path, named.split()))


def _path(name: str) -> str:
    what, _, test = name.partition("::")
    room, _, subject = what.rpartition("/")
    found = [f"tests/{kind}/{room}/test_{subject}.py" for kind in ("unit", "integration")]
    path = next((path for path in found if (ROOT / path).exists()), None)
    if path is None:
        sys.exit(f"tools/mutants.py: TESTS names {name}, and there is none of {' and '.join(found)}")
    return f"{path}::{test}" if test else path


def copy_into(folder: Path) -> None:
    """Copy what git knows of the checkout, and what is new in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


class Limit:
    """Ends the process at a test that never ends."""

    def pytest_runtest_logstart(self) -> None:
        self._set(_TEST_SECONDS)

    def pytest_runtest_logfinish(self) -> None:
        self._set(0)

    @staticmethod
    def _set(seconds: int) -> None:
        # By the processor's time, which no other program takes from it; by the clock, for a test that only waits.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.alarm(5 * seconds)


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
        # The same examples for each mutant as without one.
        "--hypothesis-profile=ci",
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


def judge(chosen: Iterable[Mutant], slots: Sequence[Path]) -> Iterator[tuple[Mutant, Outcome]]:
    """Run the tests of each mutant. Yield each with what became of it."""
    limits: dict[tuple[str, ...], float] = {}
    runs: dict[int, Run] = {}
    free = list(slots)
    try:
        for mutant in chosen:
            slot = free.pop()
            tests = tests_of(mutant.module)
            if tests not in limits:
                limits[tests] = 20 + 4 * baseline(slot, tests)
            (slot / mutant.module).write_text(mutant.code)
            pid = start(slot, tests)
            runs[pid] = Run(slot, mutant, time.monotonic() + limits[tests])
            while not free:
                yield from _ended(runs, free)
        while runs:
            yield from _ended(runs, free)
    finally:
        for pid in runs:
            end(pid)


def _ended(runs: dict[int, Run], free: list[Path]) -> Iterator[tuple[Mutant, Outcome]]:
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
            yield run.mutant, _outcome(status)


def _outcome(status: int) -> Outcome:
    # On a busy machine a time limit says little: report it apart from a test that failed.
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM, signal.SIGKILL):
        return Outcome.TIMED_OUT
    return Outcome.SURVIVED if status == 0 else Outcome.KILLED


def report(results: Sequence[tuple[Mutant, Outcome]]) -> None:
    """Print a table by module, with a sum for each group, and the mutants that no test failed for."""
    row = "{:<44} {:>8} {:>8} {:>10} {:>9} {:>7}"
    print("\n" + row.format("module", "mutants", "killed", "timed out", "survived", "share"))
    for group in GROUPS:
        here = [result for result in results if group_of(result[0].module) == group]
        modules = sorted({mutant.module for mutant, _ in here})
        for name, part in [
            *((each, [r for r in here if r[0].module == each]) for each in modules),
            (group.upper(), here),
        ]:
            if part:
                numbers = Counter(outcome for _, outcome in part)
                share = f"{numbers[Outcome.SURVIVED] / len(part):.1%}"
                print(row.format(name, len(part), *(numbers[outcome] for outcome in Outcome), share))
    for outcome in (Outcome.TIMED_OUT, Outcome.SURVIVED):
        print(f"\n{outcome.lower()}:")
        for mutant, what in results:
            if what == outcome:
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
        for mutant, outcome in judge(chosen, slots):
            results.append((mutant, outcome))
            passed = time.monotonic() - began
            print(
                f"{len(results)}/{len(chosen)} {passed:.0f} s {outcome} {mutant.change()}",
                flush=True,
            )
    report(results)


if __name__ == "__main__":
    main()
