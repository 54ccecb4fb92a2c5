"""The table of docs/performance.md, from results as they are kept in JSON. Nothing is measured here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.accounts.measure import RESUMED, SETTLED
from benchmarks.report import mebibytes, milliseconds, number, software

Results = dict[str, dict[str, dict[str, Any]]]
"""By scenario and by the label of the program: a Result in JSON."""

Figure = tuple[str, Callable[[Mapping[str, Any]], str], str]
"""What it is, how it is shown, and what is wanted."""


def table(results: Results, labels: Sequence[str], command: str) -> str:
    """Return the table in Markdown, with a column for each label, and what must be known of the run."""
    head = ["scenario", "when", "figure", *labels, "wanted"]
    lines = [head, ["---"] * len(head)]
    for scenario, by_label in results.items():
        lines.extend(_rows(scenario, [by_label.get(label) for label in labels]))
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
    return f"Measured with `{command}` on {software()}; other programs used both cores at the same time.\n\n{text}"


def _rows(scenario: str, found: Sequence[Mapping[str, Any] | None]) -> list[list[str]]:
    phases = list(dict.fromkeys(phase for result in found if result for phase in result["phases"]))
    rows = [
        [
            scenario,
            phase,
            name,
            *(_cell(result and result["phases"].get(phase), show) for result in found),
            _WANTED.get((phase, name), wanted),
        ]
        for phase in phases
        for name, show, wanted in _PER_PHASE
    ]
    overall = [
        [scenario, "", name, *(_cell(result, show) for result in found), wanted] for name, show, wanted in _OVERALL
    ]
    return [*overall, *rows]


def _cell(value: Mapping[str, Any] | None, show: Callable[[Mapping[str, Any]], str]) -> str:
    return "" if value is None else show(value)


def _ready(seconds: float | None) -> str:
    return "not ready" if seconds is None else _seconds(seconds)


def _pair(values: Mapping[str, Any], name: str) -> str:
    return f"{_seconds(values[f'{name}_p50'])}, {_seconds(values[f'{name}_p99'])}"


def _scrapes(phase: Mapping[str, Any]) -> str:
    failed = f", {phase['scrapes_failed']} of {phase['scrapes']} failed" if phase["scrapes_failed"] else ""
    return _pair(phase, "scrape") + failed


def _counts(by_reason: Mapping[str, int]) -> str:
    return ", ".join(f"{number(count)} {reason}" for reason, count in by_reason.items()) or "none"


def _seconds(value: float) -> str:
    return milliseconds(value) if value < 1 else f"{value:.1f} s"


_OVERALL: Sequence[Figure] = (
    ("until ready", lambda result: _ready(result["ready"]), "ready"),
    (
        "memory, peak and end",
        lambda result: f"{mebibytes(result['memory_peak'])}, {mebibytes(result['memory_end'])}",
        "below 300 MiB",
    ),
    ("threads, peak", lambda result: number(result["threads"]), "below 100"),
    ("file descriptors, peak", lambda result: number(result["descriptors"]), ""),
    ("duration of a poll, p50 and p99", lambda result: _pair(result, "fast_poll"), ""),
    ("from SIGTERM to the exit", lambda result: _seconds(result["end"]), "below 2 s"),
)
_PER_PHASE: Sequence[Figure] = (
    (
        "CPU",
        lambda phase: f"{phase['core_share'] * 100:.0f} % of a core, {milliseconds(phase['cpu_per_poll'])} a poll",
        "",
    ),
    ("polls", lambda phase: f"{number(phase['polls'])} in {phase['seconds']:.0f} s", ""),
    ("lateness of polls, p50 and p99", lambda phase: _pair(phase, "lateness"), ""),
    ("scrapes, p50 and p99", _scrapes, "p99 below 1 s"),
    ("failed polls", lambda phase: _counts(phase["failed_polls"]), "none"),
    ("log lines", lambda phase: number(phase["log_lines"]), ""),
    ("core used by other programs", lambda phase: f"{phase['others_share'] * 100:.0f} %", ""),
)
_WANTED = {
    (SETTLED, "lateness of polls, p50 and p99"): "as at rest",
    (RESUMED, "scrapes, p50 and p99"): "",
}
