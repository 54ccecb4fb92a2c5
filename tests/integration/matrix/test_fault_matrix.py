"""Every fault, in every phase of every collector: metrics show it, scrapes go on, values recover, events count once.

Here each fault has a few of its cells, and one of each kind has more. `make matrix` runs all cells.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from exporter.state import State, prepared
from tests.support.matrix.expected import expected
from tests.support.matrix.faults import DISK, FAULTS, Fault, Section
from tests.support.matrix.phases import Cell, Phase
from tests.support.matrix.table import Where, fault_cells
from tests.support.matrix.watched import WATCHED
from tests.support.state import STATES

ALL = os.environ.get("MATRIX") == "all"
DIVERSE = {(Section.STATUS, "404"), (Section.STATUS, "server_error"), (Section.BODY, "malformed")}
"""Kinds of faults of which collectors and phases say different things."""


def by_kind() -> dict[tuple[Section, str], list[Fault]]:
    found: dict[tuple[Section, str], list[Fault]] = defaultdict(list)
    for fault in FAULTS:
        found[fault.section, fault.kind].append(fault)
    return found


KINDS = by_kind()


def chosen(kind: tuple[Section, str]) -> Iterator[tuple[Fault, Where]]:
    """Yield the cells of a kind's first fault, and one cell for each of its other faults.

    Kinds have every second phase, alternately the even and the odd ones, and each kind has it with other collectors.
    """
    first, *others = KINDS[kind]
    cells = fault_cells(first)
    at = list(KINDS).index(kind)
    phases = list(enumerate(Phase))[at % 2 :: 2]
    diagonal = {(phase, WATCHED[(number + at) % len(WATCHED)]) for number, phase in phases}
    for watched, phase in cells:
        if ALL or kind in DIVERSE or (phase, watched) in diagonal or len(cells) < len(WATCHED) * 2:
            yield first, (watched, phase)
    for number, fault in enumerate(others):
        cells = fault_cells(fault)
        for cell in cells if ALL else [cells[number * 11 % len(cells)]]:
            yield fault, cell


def run(cells: Iterable[tuple[Fault, Where]], folder: Path, shared: State) -> list[str]:
    """Live through cells. Return which of them fail, and how."""
    wrong = []
    for number, (fault, (watched, phase)) in enumerate(cells):
        state = None if fault.section is Section.STATE else shared
        cell = Cell(watched, phase, fault.begin, f"a{number}", folder, fault.same, fault.hides, state)
        try:
            shown = cell.run()
        except AssertionError as error:
            wrong.append(f"{fault.name} × {watched.name} × {phase.value}: {error}")
        else:
            if shown != expected(fault, watched, phase):
                wrong.append(f"{fault.name} × {watched.name} × {phase.value}: metrics say {shown}")
        finally:
            DISK.before = DISK.after = None
    return wrong


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep no log of thousands of failed polls."""
    caplog.set_level(logging.CRITICAL, logger="exporter")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", [pytest.param(kind, id=f"{kind[0].name}-{kind[1]}") for kind in KINDS])
def test_whatever_fails_the_metrics_say_it_and_truth_returns(kind: tuple[Section, str], tmp_path: Path) -> None:
    with DISK.under_all(), prepared(tmp_path / "shared.db") as shared:
        wrong = run(chosen(kind), tmp_path, shared)
    assert not wrong, "\n".join(wrong)


@pytest.mark.programs
@pytest.mark.usefixtures("quiet")
def test_whatever_fails_another_replica_goes_on_with_what_stands_in_the_database(tmp_path: Path) -> None:
    firsts = [faults[0] for (section, _), faults in KINDS.items() if section is not Section.STATE]
    cells = [(fault, [cell for cell in fault_cells(fault) if cell[1] is Phase.HANDOVER]) for fault in firsts]
    with STATES["postgres"](Path("matrix")) as shared:
        wrong = run([(fault, found[at % len(found)]) for at, (fault, found) in enumerate(cells)], tmp_path, shared)
    assert not wrong, "\n".join(wrong)


def test_each_fault_has_a_cell_and_each_cell_a_fault() -> None:
    tried = [cell for kind in KINDS for cell in chosen(kind)]
    assert {fault.name for fault, _ in tried} == {fault.name for fault in FAULTS}
    reachable = {cell for fault in FAULTS for cell in fault_cells(fault)}
    assert {cell for _, cell in tried} == reachable
