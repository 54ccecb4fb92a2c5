"""JSON that has odd values beside the wanted ones is read all the same."""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client import JSON
from exporter.client.decoding import MOST_DEPTH, TOO_DEEP, decode
from tests.support.properties import examples

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"\\[{}]'), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("bracket", ["[]", '{"a":}'])
@settings(max_examples=examples(20))
@given(beside=VALUES)
def test_what_is_nested_too_deeply_costs_itself_alone(bracket: str, beside: JSON) -> None:
    deep = bracket[:-1] * 100_000 + "1" + bracket[-1] * 100_000
    text = json.dumps(beside)
    answer = decode(f'{{"before": {text}, "deep": {deep}, "after": [{text}]}}'.encode())
    assert (answer["before"], answer["after"]) == (beside, [beside])
    depth, found = 1, answer["deep"]
    while not isinstance(found, str):
        (found,) = found.values() if isinstance(found, dict) else found
        depth += 1
    assert (found, depth) == (TOO_DEEP, MOST_DEPTH)


@pytest.mark.parametrize(
    ("number", "read"),
    [
        (b"9" * 5_000, math.inf),
        (b"-" + b"9" * 5_000, -math.inf),
        (b"1e400", math.inf),
        (b"-Infinity", -math.inf),
        (b"9" * 400, int("9" * 400)),
    ],
)
def test_a_number_out_of_range_is_read_as_what_is_out_of_range(number: bytes, read: float) -> None:
    assert decode(b'{"a": ' + number + b', "b": 1}') == {"a": read, "b": 1}


@given(
    beside=VALUES,
    broken=st.lists(
        st.sampled_from(
            [b"\xff", b"\xe9", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x00", b"\n", b"\t", b"\x1b", b"\x7f"]
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=examples(20))
def test_a_text_that_is_broken_costs_itself_alone(beside: JSON, broken: list[bytes]) -> None:
    """Names are cut in the middle of a character, come in another encoding, or hold what should be escaped."""
    text = json.dumps(beside).encode()
    answer = decode(b'{"before": %s, "name": "M%sller", "after": [%s]}' % (text, b"".join(broken), text))
    assert (answer["before"], answer["after"]) == (beside, [beside])
    assert answer["name"].startswith("M")
    assert answer["name"].endswith("ller")


@pytest.mark.parametrize(("encoding", "half"), [("utf-16-le", b"\x00\xdc\x00\xd8"), ("utf-32-le", b"\xff\xff\xff\xff")])
def test_what_is_no_character_in_a_wide_encoding_is_replaced(encoding: str, half: bytes) -> None:
    body = '{"a": "x", "b": 1}'.encode(encoding).replace("x".encode(encoding), half)
    assert decode(body)["b"] == 1


def test_what_is_no_number_is_read_as_none() -> None:
    assert math.isnan(decode(b"[NaN]")[0])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"7",
        b"NaN",
        b'"x"',
        b"null",
        b"\xff\xfe\x00",
        b"[" * 1_000_000,
        b"[" * 100_000 + b"]" * 99_999,
        b"[" * 100_000 + b"]" * 100_001,
        b"[" * 100_000 + b'"' + b'\\"' * 1_000_000,
    ],
    ids=range(10),
)
def test_what_is_neither_an_object_nor_a_list_is_an_error_soon(body: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError):  # noqa: PT011 (Python words most of them)
        decode(body)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_of_json_is_read_however_deep(encoding: str) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    assert decode(f'{{"\u6771": "\u4eac", "deep": {deep}}}'.encode(encoding))["\u6771"] == "\u4eac"
