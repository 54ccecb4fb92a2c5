"""The matrix as it is printed on the page: faults in rows, and beside each what the metrics say of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tests.support.matrix import expected
from tests.support.matrix.faults import FAULTS, Fault, Section
from tests.support.matrix.phases import Phase, Shown
from tests.support.matrix.watched import WATCHED, Watched

Where = tuple[Watched, Phase]
Row = Mapping[Where, Shown]
"""What the metrics say in each cell."""

_WORDS = {
    expected.TRUNCATED: "`window_truncated` 1",
    expected.VANISHED: "`records_vanished_total`",
    expected.THROTTLED: "`api_throttled_seconds_total`",
    expected.LIMIT: "`api_rate_limit_remaining` 0",
    expected.NO_COUNTERS: "counters are absent until the state can be read",
}


def lines() -> Iterator[str]:
    """Yield the lines of the tables."""
    for section in Section:
        faults = [fault for fault in FAULTS if fault.section is section]
        yield f"### {section.value}"
        yield ""
        yield "| fault | metrics | in some cells |"
        yield "| --- | --- | --- |"
        rows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for fault in faults:
            usual, rest = _parted(_row(fault))
            rows[_said(usual), "; ".join(rest)].append(fault.name)
        for (usual_words, rest_words), names in rows.items():
            yield f"| {', '.join(names)} | {usual_words} | {rest_words} |"
        yield ""
    yield "### Cells that do not exist"
    yield ""
    yield from _missing()
    yield ""


def _missing() -> Iterator[str]:
    """Yield what can't be reached by construction, and why."""
    cells: defaultdict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in FAULTS:
        found: defaultdict[str, list[Where]] = defaultdict(list)
        for watched in WATCHED:
            for phase in Phase:
                if why := expected.unreachable(fault, watched, phase):
                    found[why].append((watched, phase))
        for why, places in found.items():
            cells[why, _places(places, [(watched, phase) for watched in WATCHED for phase in Phase])].append(fault)
    for (why, where), faults in cells.items():
        yield f"* {where} ({_scope(faults)}): {why}."


def _scope(faults: list[Fault]) -> str:
    """Name some faults, those of whole sections by the sections."""
    if len(faults) == len(FAULTS):
        return "all faults"
    sections = {fault.section for fault in faults}
    if len(faults) == sum(fault.section in sections for fault in FAULTS):
        return ", ".join(section.value for section in Section if section in sections)
    return ", ".join(fault.name for fault in faults)


def fault_cells(fault: Fault) -> list[Where]:
    """Return the collectors and phases in which there is a fault."""
    return [
        (watched, phase)
        for watched in WATCHED
        if watched.kind in fault.of
        for phase in Phase
        if expected.unreachable(fault, watched, phase) is None
    ]


def _row(fault: Fault) -> Row:
    return {(watched, phase): expected.expected(fault, watched, phase) for watched, phase in fault_cells(fault)}


def _parted(row: Row) -> tuple[Shown, list[str]]:
    """Return what the metrics say in most cells, and where they say something else."""
    common = Counter(row.values()).most_common(1)[0][0]
    others: defaultdict[Shown, list[Where]] = defaultdict(list)
    for where, shown in row.items():
        if shown != common:
            others[shown].append(where)
    return common, [f"{_places(cells, row)}: {_said(shown)}" for shown, cells in others.items()]


def _places(cells: Iterable[Where], row: Iterable[Where]) -> str:
    """Name the cells: by their phases, and by the collectors where not all of a phase are among them."""
    by_phase: defaultdict[Phase, list[Watched]] = defaultdict(list)
    for watched, phase in cells:
        by_phase[phase].append(watched)
    by_collectors: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for phase, found in by_phase.items():
        whole = len(found) == sum(where[1] is phase for where in row)
        names = () if whole else tuple(_name(watched) for watched in found)
        by_collectors[names].append(phase.value)
    parts = []
    for collectors, phases in by_collectors.items():
        when = "all phases" if len(phases) == len({phase for _, phase in row}) else ", ".join(phases)
        parts.append(f"{when} of {', '.join(collectors)}" if collectors else when)
    return " and ".join(parts)


def _name(watched: Watched) -> str:
    return watched.name if watched.by_id else f"`{watched.name}`"


def _said(shown: Shown) -> str:
    if shown.up is None:
        return "the exporter ends with status 2, and its target is down"
    errors = [f'`poll_errors_total{{reason="{reason}"}}`' for reason in sorted(shown.reasons)]
    begin = ["`up` 0 at first", *errors, "`up` 1 later"] if shown.up and errors else [f"`up` {shown.up:d}", *errors]
    return ", ".join([*begin, *(_word(each) for each in sorted(shown.also))])


def _word(also: str) -> str:
    family, _, label = also.partition(":")
    name = "field" if family == expected.UNKNOWN else "reason"
    return f'`{family}{{{name}="{label}"}}`' if label else _WORDS[also]
