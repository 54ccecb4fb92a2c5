"""`python -m tools.fuzz SECONDS [SEED] [TARGET…]`: try inputs of the targets in tests/fuzz; `make fuzz` runs it.

Atheris chooses the inputs by which code they reach, and has each target's own mutators. Each target gets an equal share
of the time, in a process of its own. An input that is too much for a target is made smaller, and goes to build/fuzz
with its traceback; the target's time is over then. Inputs that reach something new stay in build/fuzz/corpus, and the
next run begins with them. The exit status is 1 if an input was too much.

`python -m tools.fuzz --input FILE TARGET` tries one again.
"""

import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.target import MOST_BYTES, Broken, Target, mutated, put, smaller
from tests.fuzz.targets import NAMES, opened

FOLDER = Path("build/fuzz")
_GRACE_SECONDS = 120.0
"""How much longer than its share a process may take: to start, and to make an input smaller."""
_SHARE_OF_OURS = 0.7
"""How many of the mutations are the target's own; the others are libFuzzer's."""


class Outcome(NamedTuple):
    """What came of one target."""

    name: str
    inputs: int
    seconds: float
    broken: bool


def main(arguments: Sequence[str]) -> int:
    if arguments[0] == "--input":
        return again(Path(arguments[1]), arguments[2])
    if arguments[0] == "--guided":
        return guided(arguments[1], float(arguments[2]), int(arguments[3]))
    seconds, *more = arguments
    seed = int(more[0]) if more and more[0].isdecimal() else time.time_ns() % 1_000_000
    names = [word for word in more if not word.isdecimal()] or list(NAMES)
    if unknown := set(names) - set(NAMES):
        print(f"unknown target {', '.join(sorted(unknown))}: there is {', '.join(NAMES)}", file=sys.stderr)
        return 2
    outcomes = [tried(name, float(seconds) / len(names), seed) for name in names]
    text = "\n".join([f"seed: {seed}", *map(_line, outcomes), f"inputs: {sum(each.inputs for each in outcomes):,}"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "report.txt").write_text(text + "\n")
    print(text)
    return 1 if any(each.broken for each in outcomes) else 0


def _line(outcome: Outcome) -> str:
    return f"{outcome.name}: {outcome.inputs:,} inputs in {outcome.seconds:.0f} s{', BROKEN' * outcome.broken}"


def tried(name: str, seconds: float, seed: int) -> Outcome:
    """Try inputs of one target, in a process of its own."""
    command = [sys.executable, "-m", "tools.fuzz", "--guided", name, str(max(1, round(seconds))), str(seed)]
    began = time.monotonic()
    log = FOLDER / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as output:
            status = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=seconds + _GRACE_SECONDS, check=False
            ).returncode
    except subprocess.TimeoutExpired:
        # An input that never ends: libFuzzer would have ended any other.
        status = 1
    found = re.findall(r"(?:number_of_executed_units: |^#)(\d+)", log.read_text(errors="replace"), re.MULTILINE)
    outcome = Outcome(name, max(map(int, found), default=0), time.monotonic() - began, broken=status != 0)
    print(_line(outcome) + (f": see {log}" if status else ""), flush=True)
    return outcome


def guided(name: str, seconds: float, seed: int) -> int:
    """Let Atheris try inputs of a target for so long. It ends the process; the exit status is not 0 if one is bad."""
    import atheris

    with atheris.instrument_imports(include=["exporter"], enable_loader_override=False):
        with_target = opened(name)
        target = with_target.__enter__()
    own = random.Random(seed)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        if own.random() < _SHARE_OF_OURS:
            return mutated(target, random.Random(number), data)[:most]
        return bytes(atheris.Mutate(data, most))

    def one(data: bytes) -> None:
        broken: Broken | None = None
        try:
            put(target, data)
        except Broken as error:
            broken = error
        # Not while it is handled: it would be the context of every other exception.
        if broken is not None:
            _keep(target, data)
            raise broken

    corpus = FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    flags = [f"-max_total_time={seconds:g}", f"-max_len={MOST_BYTES}", f"-seed={seed or 1}", "-print_final_stats=1"]
    # Found inputs are kept by `_keep`, smaller than libFuzzer has them.
    flags += [f"-artifact_prefix={FOLDER}/{name}.raw-", "-timeout=60", "-rss_limit_mb=3000", "-len_control=0"]
    atheris.Setup(["fuzz", *flags, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


def _keep(target: Target, data: bytes) -> None:
    small = smaller(target, data)
    path = FOLDER / f"{target.name}.input"
    path.write_bytes(small)
    try:
        put(target, small)
    except Broken:
        text = traceback.format_exc()
    else:
        text = "it does not fail when it is tried again\n"
    path.with_suffix(".traceback").write_text(text)


def again(path: Path, name: str) -> int:
    """Try one input again. Raises Broken."""
    with opened(name) as target:
        put(target, path.read_bytes())
    print(f"{name}: nothing is wrong with {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
