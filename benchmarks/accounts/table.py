"""The table of docs/performance.md, from results as they are kept in JSON. Nothing is measured here."""

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.accounts.measure import REST, RESUMED, SETTLED
from benchmarks.report import mebibytes, milliseconds, number, software

Results = dict[str, dict[str, dict[str, Any]]]
"""By scenario and by the label of the program: a Result in JSON."""


def table(results: Results, labels: Sequence[str], command: str) -> str:
    """Return the table in Markdown, with a column for each label, and what must be known of the run."""
    head = ["scenario", "figure", *labels, "wanted"]
    lines = [head, ["---"] * len(head)]
    for scenario, by_label in results.items():
        for name, show, wanted in _FIGURES:
            cells = [show(by_label[label]) if label in by_label else "" for label in labels]
            if any(cells):
                lines.append([scenario, name, *cells, wanted])
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
    return f"Measured with `{command}` on {software()}. {_others(results)}\n\n{text}"


def _others(results: Results) -> str:
    """Say how busy the exporter's core was."""
    shares = [
        phase["others_share"]
        for by_label in results.values()
        for result in by_label.values()
        for phase in result["phases"].values()
    ]
    busy = statistics.median(shares) if shares else 0.0
    return f"Other programs used {busy:.0%} of the exporter's core at the same time (the median of all phases)."


def _in_phase(name: str, show: Callable[[Mapping[str, Any]], str]) -> Callable[[Mapping[str, Any]], str]:
    """Show a figure of one phase; nothing if the scenario has no such phase."""
    return lambda result: show(result["phases"][name]) if name in result["phases"] else ""


def _ready(result: Mapping[str, Any]) -> str:
    if not result["awaited"]:
        return ""
    return "not ready" if result["ready"] is None else _seconds(result["ready"])


def _cpu(phase: Mapping[str, Any]) -> str:
    each = f"{milliseconds(phase['cpu_per_poll'])} a poll" if phase["polls"] else "no poll"
    return f"{phase['core_share']:.0%} of a core, {each}"


def _memory(result: Mapping[str, Any]) -> str:
    return f"{mebibytes(result['memory_peak'])}, {mebibytes(result['memory_end'])}"


def _threads(result: Mapping[str, Any]) -> str:
    return f"{number(result['threads'])}, {number(result['descriptors'])}"


def _lateness(phase: Mapping[str, Any]) -> str:
    return _pair(phase, "lateness")


def _durations(result: Mapping[str, Any]) -> str:
    # There is no value where the last scrape failed.
    return _pair(result, "fast_poll") if result["fast_poll_p99"] else ""


def _scrapes(phase: Mapping[str, Any]) -> str:
    failed = f", {phase['scrapes_failed']} of {phase['scrapes']} failed" if phase["scrapes_failed"] else ""
    return _pair(phase, "scrape") + failed


def _failed(result: Mapping[str, Any]) -> str:
    by_reason: Counter[str] = Counter()
    for phase in result["phases"].values():
        by_reason.update(phase["failed_polls"])
    polls = sum(phase["polls"] for phase in result["phases"].values())
    reasons = ", ".join(f"{number(count)} {reason}" for reason, count in by_reason.most_common()) or "none"
    return f"{reasons} of {number(polls)}"


def _logged(result: Mapping[str, Any]) -> str:
    return number(sum(phase["log_lines"] for phase in result["phases"].values()))


def _pair(values: Mapping[str, Any], name: str) -> str:
    return f"{_seconds(values[f'{name}_p50'])}, {_seconds(values[f'{name}_p99'])}"


def _seconds(value: float) -> str:
    return milliseconds(value) if value < 1 else f"{value:.1f} s"


_FIGURES: Sequence[tuple[str, Callable[[Mapping[str, Any]], str], str]] = (
    ("until ready", _ready, ""),
    ("CPU at rest", _in_phase(REST, _cpu), ""),
    ("memory, peak and end", _memory, "below 300 MiB"),
    ("threads and file descriptors, peak", _threads, "below 100 threads"),
    ("duration of a poll, p50 and p99", _durations, ""),
    ("lateness of polls at rest, p50 and p99", _in_phase(REST, _lateness), ""),
    (f"lateness {RESUMED}, p50 and p99", _in_phase(RESUMED, _lateness), ""),
    (f"lateness {SETTLED}, p50 and p99", _in_phase(SETTLED, _lateness), "as at rest"),
    ("scrapes at rest, p50 and p99", _in_phase(REST, _scrapes), "p99 below 1 s"),
    (f"scrapes {RESUMED}, p50 and p99", _in_phase(RESUMED, _scrapes), "none fails"),
    (f"scrapes {SETTLED}, p50 and p99", _in_phase(SETTLED, _scrapes), "p99 below 1 s"),
    ("failed polls, by reason", _failed, "none but those that hang"),
    ("log lines", _logged, ""),
)
"""What it is, how it is shown, and what is wanted."""
