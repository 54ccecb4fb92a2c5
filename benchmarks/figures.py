"""The figures: which worlds are served, what is measured in them, and what is wanted. Printing is not here."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import measure
from benchmarks.bench import Bench
from benchmarks.measure import Cost
from benchmarks.report import Row, mebibytes, milliseconds, number
from benchmarks.world import KINDS, Scene
from exporter.demo.items import Kind

LATENCY_SECONDS = 0.05
_NAIVE = "naive exporter: "
_LOOP = "bare loop: "


@dataclass(frozen=True, slots=True)
class Window:
    """What one collector costs with a window of some size."""

    records: int
    read: Cost
    quiet: Cost
    requests: float
    """Of a quiet poll."""
    naive_requests: int


def figures(bench: Bench) -> Iterator[Row]:
    """Yield all rows of the table as they are measured."""
    small = {kind: _window(bench, kind, bench.sizes.small) for kind in KINDS}
    yield from (_requests(bench, kind, window) for kind, window in small.items())
    large = {kind: _window(bench, kind, bench.sizes.large) for kind in KINDS}
    yield from (_requests(bench, kind, window) for kind, window in large.items())
    yield from (_cpu(kind, small[kind], large[kind]) for kind in KINDS)
    yield from (_unchanged(bench, kind) for kind in KINDS)
    yield _reconciling(bench, small["invocations"])
    yield from (_scattered(bench, kind) for kind in KINDS)
    yield _backfill(bench)
    yield _backfill_late(bench)
    yield _memory(bench, large["invocations"])
    yield _accounts(bench)


def _window(bench: Bench, kind: Kind, records: int) -> Window:
    sizes = bench.sizes
    bench.tell(f"{number(records)} {kind}")
    folder = bench.empty_folder()
    with bench.stage({kind: Scene(records, sizes.in_flight, sizes.among)}) as stage:
        read = bench.alone(measure.read_window, stage.url, folder, kind)
        stage.requests()
        quiet = bench.alone(measure.quiet_polls, stage.url, folder, kind, sizes.polls)
        requests = round(stage.requests() / (measure.FIRST_POLLS + sizes.polls), 2)
        bench.alone(measure.naive_poll, stage.url, kind)
        return Window(records, read, quiet, requests, stage.requests())


def _requests(bench: Bench, kind: Kind, window: Window) -> Row:
    return Row(
        f"requests of a quiet poll, {kind}",
        f"{number(window.records)} in the window, {bench.sizes.in_flight} of the newest {bench.sizes.among} in flight",
        f"{window.requests:g}",
        _NAIVE + number(window.naive_requests),
        f"1/{window.naive_requests / window.requests:,.0f}",
        "at most 3",
    )


def _cpu(kind: Kind, small: Window, large: Window) -> Row:
    return Row(
        f"CPU time of a quiet poll, {kind}",
        f"{number(large.records)} in the window",
        milliseconds(large.quiet.cpu),
        f"{number(small.records)}: {milliseconds(small.quiet.cpu)}",
        f"{large.quiet.cpu / small.quiet.cpu:.2f}",
        "at most 2",
    )


def _unchanged(bench: Bench, kind: Kind) -> Row:
    """Compare an unchanged newest page with one that differs only in a text that no metric shows."""
    records, polls = bench.sizes.small, bench.sizes.polls
    bench.tell(f"{number(records)} {kind}, nothing in flight")
    folder = bench.empty_folder()
    with bench.stage({kind: Scene(records)}) as stage:
        bench.alone(measure.read_window, stage.url, folder, kind)
        same = bench.alone(measure.quiet_polls, stage.url, folder, kind, polls)
        stage.change_texts()
        other = bench.alone(measure.quiet_polls, stage.url, folder, kind, polls)
    return Row(
        f"CPU time of a quiet poll, {kind}, newest page unchanged",
        "100 rows on the page, nothing in flight",
        milliseconds(same.cpu),
        f"other bytes: {milliseconds(other.cpu)}",
        f"{same.cpu / other.cpu:.2f}",
        "at most 0.7",
    )


def _reconciling(bench: Bench, quiet: Window) -> Row:
    sizes = bench.sizes
    folder = bench.empty_folder()
    with bench.stage({"invocations": Scene(sizes.small, sizes.in_flight, sizes.among)}) as stage:
        bench.alone(measure.read_window, stage.url, folder, "invocations")
        stage.requests()
        bench.alone(measure.reconciling_poll, stage.url, folder, "invocations")
        requests = stage.requests()
    return Row(
        "requests of a poll while the window is reconciled, invocations",
        f"{number(sizes.small)} in the window, default settings",
        number(requests),
        f"quiet poll: {quiet.requests:g}",
        f"{requests / quiet.requests:.1f}",
        "",
    )


def _scattered(bench: Bench, kind: Kind) -> Row:
    """Measure the worst case of records in flight: so far apart that no page of the list has two of them."""
    records, in_flight = bench.sizes.small, bench.sizes.in_flight
    bench.tell(f"{number(records)} {kind}, those in flight far apart")
    folder = bench.empty_folder()
    with bench.stage({kind: Scene(records, in_flight, records)}) as stage:
        bench.alone(measure.read_window, stage.url, folder, kind)
        stage.requests()
        bench.alone(measure.quiet_polls, stage.url, folder, kind, 1)
        requests = stage.requests() / (measure.FIRST_POLLS + 1)
        bench.alone(measure.naive_poll, stage.url, kind)
        naive = stage.requests()
    return Row(
        f"requests of a quiet poll, {kind}, worst case",
        f"{number(records)} in the window, {in_flight} in flight all over it",
        f"{requests:g}",
        _NAIVE + number(naive),
        f"1/{naive / requests:,.1f}",
        "",
    )


def _backfill(bench: Bench) -> Row:
    records = bench.sizes.backfill
    bench.tell(f"backfill of {number(records)} invocations")
    ours, bare = _both(bench, records, 0.0)
    return Row(
        "speed of a backfill",
        f"{number(records)} invocations",
        f"{number(records / ours)}/s",
        f"{_LOOP}{number(records / bare)}/s",
        f"{bare / ours:.2f}",
        "at least 0.5",
    )


def _backfill_late(bench: Bench) -> Row:
    records = bench.sizes.late
    bench.tell(f"backfill of {number(records)} invocations, each answer late")
    ours, bare = _both(bench, records, LATENCY_SECONDS)
    return Row(
        "speed of a backfill from far away",
        f"{number(records)} invocations, {milliseconds(LATENCY_SECONDS)} of latency, 4 requests at once",
        f"{number(records / ours)}/s",
        f"{_LOOP}{number(records / bare)}/s",
        f"{bare / ours:.2f}",
        "at least 3",
    )


def _both(bench: Bench, records: int, latency: float) -> tuple[float, float]:
    """Return the median seconds for reading all records, with the exporter and with the bare loop, in turns."""
    with bench.stage({"invocations": Scene(records)}) as stage:
        stage.delay(latency)
        ours, bare = [], []
        for _ in range(bench.sizes.rounds):
            bare.append(bench.alone(measure.bare_loop, stage.url, "invocations").seconds)
            folder = bench.empty_folder()
            ours.append(bench.alone(measure.read_window, stage.url, folder, "invocations").seconds)
        return statistics.median(ours), statistics.median(bare)


def _memory(bench: Bench, window: Window) -> Row:
    with bench.stage({}) as stage:
        empty = bench.alone(measure.read_window, stage.url, bench.empty_folder(), "invocations")
    return Row(
        "memory above an empty start",
        f"{number(window.records)} invocations in the window",
        f"{mebibytes(window.read.memory - empty.memory)} after the backfill "
        f"({mebibytes(window.read.peak - empty.memory)} at most), "
        f"{mebibytes(window.quiet.memory - empty.memory)} after a restart",
        f"empty start: {mebibytes(empty.memory)}",
        f"{window.read.memory / empty.memory:.2f}",
        "at most 60 MiB",
    )


def _accounts(bench: Bench) -> Row:
    sizes = bench.sizes
    bench.tell(f"{number(sizes.accounts)} accounts")
    with bench.stage({"invocations": Scene(sizes.account_records, 6, 60)}) as stage:
        spent = bench.alone(measure.accounts_poll, stage.url, bench.empty_folder(), sizes.accounts)
    return Row(
        "a quiet poll of many accounts, on one core",
        f"{number(sizes.accounts)} accounts with one collector each, all at once",
        f"{spent.seconds:.1f} s, {spent.cpu:.1f} s of CPU time",
        "",
        "",
        "at most 30 s",
    )
