"""Bad networks between the exporter and its APIs: as a proxy makes them, and as the kernel does where it can."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import rough_kernel
from tests.support.rough_link import CONDITIONS, GOOD, RoughLink
from tests.support.rough_roads import STRAIGHT, Road, Trip, apis

pytestmark = pytest.mark.slow


def test_on_every_bad_network_scrapes_go_on_and_afterwards_each_failure_is_counted_once(tmp_path: Path) -> None:
    roads = [Road(condition.name, condition.reasons) for condition in CONDITIONS]
    every = [*roads, Road(STRAIGHT, frozenset())]
    with apis(every) as ports, contextlib.ExitStack() as links:
        for road, condition in zip(roads, CONDITIONS, strict=True):
            link = links.enter_context(RoughLink(("127.0.0.1", ports[road.name])))
            road.url = f"http://127.0.0.1:{link.port}/v1"
            road.spoil = lambda link=link, condition=condition: link.become(condition)  # type: ignore[misc]
            road.repair = lambda link=link: link.become(GOOD)  # type: ignore[misc]
        with Trip(tmp_path, every) as trip:
            trip.run()


@pytest.mark.programs
def test_so_it_is_on_those_of_the_kernel_or_it_is_said_why_there_are_none(
    record_property: Callable[[str, object], None],
) -> None:
    refusal = rough_kernel.refusal()
    if refusal is not None:
        assert refusal.strip()
        record_property("note", rough_kernel.REFUSED.format(refusal))
        return
    done = rough_kernel.inside()
    assert done.returncode == 0, done.stdout + done.stderr
    record_property("note", f"tried {len(done.stdout.splitlines())} networks of the kernel")


@pytest.mark.parametrize("missing", ["program", "namespaces"])
def test_a_machine_that_refuses_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "program":
        monkeypatch.setattr(shutil, "which", lambda name, path: None if name == "tc" else name)
    else:
        failed = subprocess.CompletedProcess([], 1, "", "unshare: unshare failed: Operation not permitted\n")
        monkeypatch.setattr(shutil, "which", lambda name, path: name)
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    refusal = rough_kernel.refusal()
    assert refusal is not None
    assert ("missing tc " if missing == "program" else "unshare failed: Operation not permitted") in refusal
    assert "tests/e2e/test_network.py" in rough_kernel.REFUSED.format(refusal)
