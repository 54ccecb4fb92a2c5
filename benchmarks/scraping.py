"""The figures of scrapes: how long they take at rest and beside polls, and what is wanted. Printing is not here."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks import load, serving
from benchmarks.bench import Bench
from benchmarks.report import Row, milliseconds, number
from benchmarks.serving import FILE, FORMS, METRICS, Form, Rendered
from benchmarks.world import Scene, Stage

_MOST_HOLDS = 200
"""How often a hold is made again until a poll falls into it."""


@dataclass(slots=True)
class _Held:
    """What was measured of one form under load: a figure for each round, in seconds."""

    file: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    quiet_worst: list[float] = field(default_factory=list)
    """The 99th percentile."""
    busy_worst: list[float] = field(default_factory=list)


def figures(bench: Bench) -> Iterator[Row]:
    """Yield all rows of the table as they are measured."""
    for form in FORMS:
        bench.tell(f"rendering {number(bench.sizes.series)} series ({form})")
        made = bench.alone(serving.rendered, bench.sizes.series, form, bench.sizes.scrape_rounds)
        yield _rendered(form, made, "a scrape made", made.kept)
        yield _rendered(form, made, "a scrape made after every family has changed", made.full)
    held: dict[Form, _Held] = defaultdict(_Held)
    read, polled = (
        Scene(size, bench.sizes.in_flight, bench.sizes.among) for size in (bench.sizes.backfill, bench.sizes.small)
    )
    with bench.stage({"invocations": read, "document_batches": polled}) as stage:
        for turn in range(bench.sizes.scrape_rounds):
            bench.tell(f"scrapes of {bench.sizes.connections} connections, round {turn + 1}")
            _at_rest(bench, held)
            _beside_polls(bench, stage, held, turn)
    for form in FORMS:
        yield _beside_a_file(bench, form, held[form])
    for form in FORMS:
        yield _beside_quiet(bench, form, held[form])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


def _at_rest(bench: Bench, held: dict[Form, _Held]) -> None:
    with serving.served(bench.sizes.series, None, bench.apart) as address:
        for form in FORMS:
            held[form].file.append(percentile(_hold(bench, address, FILE, form), 0.5))
            scrapes = _hold(bench, address, METRICS, form)
            held[form].quiet.append(percentile(scrapes, 0.5))
            held[form].quiet_worst.append(percentile(scrapes, 0.99))


def _beside_polls(bench: Bench, stage: Stage, held: dict[Form, _Held], turn: int) -> None:
    with serving.served(bench.sizes.series, (stage.url, bench.empty_folder()), bench.apart) as address:
        for form in FORMS:
            stage.requests()
            for _ in range(_MOST_HOLDS):
                held[form].busy_worst[turn:] = [percentile(_hold(bench, address, METRICS, form), 0.99)]
                # A short hold may lie between two polls, and is then repeated.
                if stage.requests():
                    break
            else:
                raise RuntimeError("nothing was polled beside the scrapes")


def _hold(bench: Bench, address: tuple[str, int], path: str, form: Form) -> list[float]:
    return bench.alone(load.hold, address, path, form.headers, bench.sizes.connections, bench.sizes.hold_seconds)


def _rendered(form: Form, made: Rendered, figure: str, ours: float) -> Row:
    return Row(
        f"{figure} ({form})",
        f"{number(made.series)} series, {made.size / 1e6:.1f} MB",
        milliseconds(ours),
        f"prometheus_client: {milliseconds(made.library)}",
        f"1/{made.library / ours:,.0f}",
        "at most 1/20",
    )


def _beside_a_file(bench: Bench, form: Form, held: _Held) -> Row:
    return Row(
        f"a scrape served ({form})",
        f"{bench.sizes.connections} connections at once, median",
        milliseconds(statistics.median(held.quiet)),
        f"a file of the same bytes: {milliseconds(statistics.median(held.file))}",
        _ratio(held.quiet, held.file),
        "at most 1.5",
    )


def _beside_quiet(bench: Bench, form: Form, held: _Held) -> Row:
    return Row(
        f"a scrape served beside polls ({form})",
        f"{bench.sizes.connections} connections at once, 99th percentile; a backfill and a poll each second",
        milliseconds(statistics.median(held.busy_worst)),
        f"at rest: {milliseconds(statistics.median(held.quiet_worst))}",
        _ratio(held.busy_worst, held.quiet_worst),
        "at most 3",
    )


def _ratio(ours: Sequence[float], beside: Sequence[float]) -> str:
    """Return the median of the ratios of each round: what else the machine does changes from round to round."""
    return f"{statistics.median(own / other for own, other in zip(ours, beside, strict=True)):.2f}"
