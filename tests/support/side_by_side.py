"""Scenes that mostly wait, at several stages at the same time; the scenes of one stage follow each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

_Stage = TypeVar("_Stage")
Scene = Callable[[_Stage], None]
Results = Mapping[Scene[_Stage], Sequence["Future[None]"]]
"""By scene, what it comes to at each stage that has it."""


@contextmanager
def side_by_side(
    *stages: tuple[AbstractContextManager[_Stage], Sequence[Scene[_Stage]]],
) -> Iterator[Results[_Stage]]:
    """Begin the scenes of all stages, and return at once.

    A scene happens also where the one before it has failed. At the end all are waited for, and the stages taken down.
    """
    with ExitStack() as stack:
        found: dict[Scene[_Stage], list[Future[None]]] = {}
        for stage, scenes in stages:
            there = stack.enter_context(ExitStack())
            thread = stack.enter_context(ThreadPoolExecutor(1))
            begun = thread.submit(there.enter_context, stage)
            for scene in scenes:
                found.setdefault(scene, []).append(thread.submit(_happens, scene, begun))
        yield found


def come_to(results: Results[_Stage], scene: Scene[_Stage]) -> None:
    """Wait for the end of a scene at each stage, and raise what it raised."""
    for result in results[scene]:
        result.result()


def _happens(scene: Scene[_Stage], stage: "Future[_Stage]") -> None:
    scene(stage.result())
