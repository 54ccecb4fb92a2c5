"""The table of docs/performance.md, from results as they are kept in JSON. Nothing is measured here."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import mebibytes, milliseconds, number, software
from benchmarks.storm.measure import LONE

Results = dict[str, Any]
"""By the label of the program: a Result in JSON."""


def table(results: Results, command: str) -> str:
    """Return the table in Markdown, with a column for each program, and what must be known of the run."""
    rows = [
        ["load", "figure", *results, "wanted"],
        ["---"] * (len(results) + 3),
        ["none", "series", *(number(each["series"]) for each in results.values()), ""],
        ["none", "CPU of polls", *(f"{each['polling']:.0%} of a core" for each in results.values()), ""],
        ["all", "memory, before and peak", *map(_memory, results.values()), ""],
    ]
    loads = dict.fromkeys(load for each in results.values() for round_ in each["rounds"] for load in round_)
    for load in loads:
        of_load = [[round_[load] for round_ in each["rounds"]] for each in results.values()]
        rows.append([load, "scrapes, p50 and p99", *map(_seconds, of_load), ""])
        if not load.startswith(f"{LONE} ("):
            ratios = (_ratio(each["rounds"], load) for each in results.values())
            rows.append([load, "p99 beside that of one scraper", *ratios, "below 3"])
        rows.append([load, "CPU, polls included", *map(_cpu, of_load), ""])
        rows.append([load, "failed", *map(_failed, of_load), "none"])
    text = "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
    return f"Measured with `{command}` on {software()}; other programs ran beside: ratios are what to go by.\n\n{text}"


def _memory(result: Mapping[str, Any]) -> str:
    return f"{mebibytes(result['memory_before'])}, {mebibytes(result['memory_peak'])}"


def _seconds(rounds: Sequence[Mapping[str, Any]]) -> str:
    """Return the medians of what was measured in each round."""
    return ", ".join(_shown(statistics.median(each[name] for each in rounds)) for name in ("p50", "p99"))


def _ratio(rounds: Sequence[Mapping[str, Any]], load: str) -> str:
    """Return the median of the ratios of each round: what else the machine does changes from round to round.

    It is compared with a lone scrape of the same form; beside slow readers all scrapes are compressed.
    """
    form = load[load.index("(") :] if "slow" not in load else next(iter(rounds[0]))[len(LONE) + 1 :]
    return f"{statistics.median(each[load]['p99'] / each[f'{LONE} {form}']['p99'] for each in rounds):.2f}"


def _cpu(rounds: Sequence[Mapping[str, Any]]) -> str:
    return f"{statistics.median(each['cpu'] for each in rounds):.0%} of a core"


def _failed(rounds: Sequence[Mapping[str, Any]]) -> str:
    failed, scrapes = (sum(each[name] for each in rounds) for name in ("failed", "scrapes"))
    return f"{number(failed)} of {number(scrapes)}"


def _shown(seconds: float) -> str:
    return milliseconds(seconds) if seconds < 1 else f"{seconds:.1f} s"
