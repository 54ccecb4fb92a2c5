"""How long tests wait for what comes at once on an idle machine, and what they say when it does not come."""

import contextlib
import functools
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

GENEROUS = 120.0
"""Seconds after which a test gives up; it is no measure of anything. Who waits for it on a green day waits too long."""
_LOOK_SECONDS = 0.01
_T = TypeVar("_T")


def eventually(
    look: Callable[[], _T | None],
    report: Callable[[], object] | None = None,
    pause: float = _LOOK_SECONDS,
    seconds: float = GENEROUS,
) -> _T:
    """Return what `look` gives, as soon as that is something.

    Fails after so many seconds with the lines of `look`, what it gave last, and what `report` says.
    """
    give_up = time.monotonic() + seconds
    while not (found := look()):
        # It has been looked at after the time was over, too: a machine may stand still for long.
        if time.monotonic() >= give_up:
            told = "" if report is None else f"\n{report()}"
            raise AssertionError(f"not within {seconds:g} seconds: {_text(look)}\nlast: {found!r}{told}")
        time.sleep(pause)
    return found


def ends_of_logs(folder: Path, most: int = 4000) -> str:
    """Return the ends of what programs have logged to files in a folder."""
    return "\n".join(f"--- {log.name}\n{log.read_text()[-most:]}" for log in sorted(folder.glob("**/*.log")))


def _text(function: Callable[[], object]) -> str:
    """Return the lines that a function stands in."""
    try:
        return inspect.getsource(function).strip()
    except (OSError, TypeError):
        return repr(function)


def in_haste(seconds: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test of one whose argument `haste` is a limit of so many seconds, which it does not wait for itself.

    A busy machine may keep the test itself from what it does within the limit: where it fails, it is tried again with
    longer ones. What it states must hold with one of them.
    """

    def made(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def tried(**fixtures: object) -> None:
            for longer in (1, 5, 25):
                with contextlib.suppress(AssertionError, OSError):
                    return test(**fixtures, haste=longer * seconds)
            return test(**fixtures, haste=max(30.0, 100 * seconds))

        signature = inspect.signature(test)
        given = [parameter for name, parameter in signature.parameters.items() if name != "haste"]
        tried.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
        return tried

    return made
