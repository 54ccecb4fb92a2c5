"""Sample where polls spend CPU time, by room of the package. Call it in a process of its own."""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from types import FrameType

from benchmarks.measure import UNLIMITED, exporter
from benchmarks.world import KINDS

_EVERY_SECONDS = 0.001
"""Of CPU time."""
_PACKAGE = "exporter"
_JSON = ("json", "decoder.py")


def polls(url: str, folder: Path, times: int) -> Mapping[str, float]:
    """Return the share of CPU time of each room in polls of all collectors of an account."""
    with exporter(url, folder, KINDS, UNLIMITED) as (pollers, _):
        for poller in pollers * 3:
            poller.poll()
        with _sampled() as found:
            for poller in list(pollers) * times:
                if not poller.poll():
                    raise RuntimeError(f"a poll failed: {poller.status.error}")
    total = found.total()
    return {room: count / total for room, count in found.most_common()}


@contextmanager
def _sampled() -> Iterator[Counter[str]]:
    """Count samples of the main thread by room until the end."""
    found: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        found[room(_files(frame))] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def room(files: Sequence[str]) -> str:
    """Return the room that the innermost of these files of the package belongs to, with `JSON` apart."""
    for file in files:
        parts = PurePath(file).parts
        if parts[-2:] == _JSON:
            return "JSON"
        if _PACKAGE in parts[:-1] and "site-packages" not in parts:
            place = len(parts) - 1 - parts[::-1].index(_PACKAGE)
            inner = parts[place + 1 : -1]
            return "/".join(inner[:2]) if inner[:1] == ("polling",) else inner[0] if inner else _PACKAGE
    return "other"


def _files(frame: FrameType | None) -> Sequence[str]:
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files
