"""The search for faults finds them: targets that are wrong in each way, and inputs that become smaller."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import target as limits
from tests.fuzz.mutators import BYTES, flip, json_values, yaml_values
from tests.fuzz.target import MOST_BYTES, Broken, Target, inputs, mutated, put, readable, smaller
from tools import fuzz


def made(check: Callable[[bytes], object], *seeds: bytes) -> Target:
    return Target("made", check, seeds or (b'{"a": [1, "x"]}',), (*BYTES, json_values, yaml_values))


def _slow(data: bytes) -> None:
    until = time.thread_time() + 0.3
    while time.thread_time() < until:
        pass


def _wrong(data: bytes) -> None:
    if b"needle" in data:
        raise KeyError(data)


def test_an_error_that_is_not_declared_is_reported_with_the_input() -> None:
    put(made(_wrong), b"hay")
    with pytest.raises(Broken, match=r"made: b'a needle'; whole, in Base64: YSBuZWVkbGU=") as caught:
        put(made(_wrong), b"a needle")
    assert isinstance(caught.value.__cause__, KeyError)


def test_so_is_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    put(made(_slow), b"x")
    monkeypatch.setattr(limits, "_SECONDS", 0.1)
    with pytest.raises(Broken) as caught:
        put(made(_slow), b"x")
    assert "s of CPU time" in str(caught.value.__cause__)


def test_an_input_becomes_as_small_as_it_can_be() -> None:
    assert smaller(made(_wrong), b"hay " * 50 + b"needle" + b" hay" * 50) == b"needle"


@pytest.mark.parametrize("message", ["", "two\nlines", "\x1b[2J", "with a secret"])
def test_a_message_that_is_no_line_or_holds_a_secret_is_found(message: str) -> None:
    with pytest.raises(AssertionError):
        readable(ValueError(message), "secret")


def test_the_same_seed_gives_the_same_inputs_none_too_long_and_few_of_them_alike() -> None:
    target = made(_wrong)
    first, second = (list(inputs(target, 300, 1)) for _ in range(2))
    assert first == second
    assert first != list(inputs(target, 300, 2))
    assert max(map(len, first)) <= MOST_BYTES
    assert len(set(first)) > 200


@pytest.mark.parametrize("change", [*BYTES, json_values, yaml_values, flip])
@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[]", b"a: &a [*a]", b'{"a": 1}'])
def test_every_input_can_be_changed(change: Callable[[bytes, random.Random], bytes], data: bytes) -> None:
    for number in range(20):
        assert isinstance(change(data, random.Random(number)), bytes)


def test_a_document_stays_one_when_its_values_are_changed() -> None:
    target = Target("made", _wrong, (b'{"a": [1, {"b": "x"}]}',), (json_values,))
    found = [mutated(target, random.Random(number)) for number in range(100)]
    assert sum(data.startswith((b"{", b"[")) for data in found) > 90


def test_a_target_that_there_is_not_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["1", "7", "nothing"]) == 2
    assert "unknown target nothing: there is config, web-config" in capsys.readouterr().err


def test_an_input_can_be_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "retry-after.input"
    kept.write_bytes(b"120")
    assert fuzz.main(["--input", str(kept), "retry-after"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
