"""Lines that accounts have alike but for their names are kept once, and exposed with each name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.shared_lines import MOST_BYTES, Lines, SharedLines, length, shared, whole
from exporter.exposition.text_format import HistogramSample, Sample, render
from exporter.model.family import Family

GAUGE = Family("inkit_batches", "gauge", "Batches.", ("account", "kind", "status"))
DURATION = Family("inkit_seconds", "histogram", "Seconds.", ("account",), buckets=(1.0, 5.0))
NAMES = st.text(max_size=20)


@given(NAMES, NAMES, st.lists(st.text(max_size=20) | st.just('{account="'), max_size=3, unique=True))
def test_whatever_accounts_and_labels_are_called_equal_lines_are_one_object_and_come_out_with_each_name(
    first: str, second: str, kinds: list[str]
) -> None:
    exposed = {}
    for account in (first, second):
        lines = "".join(f'x{{account="{_escaped(account)}",kind="{_escaped(kind)}"}} 0\n' for kind in kinds)
        exposed[account] = lines.encode("utf-8", "replace")
    kept = {account: shared(lines, account) for account, lines in exposed.items()}
    assert nameless(kept[first]) is nameless(kept[second])
    assert {account: whole(lines) for account, lines in kept.items()} == exposed
    assert {account: length(lines) for account, lines in kept.items()} == {
        account: len(lines) for account, lines in exposed.items()
    }


def nameless(lines: Lines) -> bytes:
    assert isinstance(lines, SharedLines)
    return lines.lines


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@pytest.mark.parametrize(
    ("values", "is_shared"),
    [
        ([0.0, 0.0], True),
        ([0.0, 1.0], False),
        ([60.0], True),
        ([604_800.0], True),
        ([999_999.0], True),
        ([1_000_000.0], False),
        ([0.5], False),
        ([-1.0], False),
        ([float("nan")], False),
        ([float("inf")], False),
    ],
)
def test_zeros_and_one_small_whole_number_are_shared(values: list[float], is_shared: bool) -> None:
    samples = [Sample(("prod", "document", str(place)), value) for place, value in enumerate(values)]
    block = render(GAUGE, samples)
    assert isinstance(block.lines, SharedLines) is is_shared
    assert block.openmetrics == block.text
    assert block.text.count(b'account="prod"') == len(values)


def test_a_histogram_is_shared_while_it_has_observed_nothing() -> None:
    one, other = (render(DURATION, [HistogramSample((name,), (0, 0, 0), 0.0)]).lines for name in ("a", "b"))
    assert nameless(one) is nameless(other)
    assert isinstance(render(DURATION, [HistogramSample(("a",), (0, 1, 1), 2.0)]).lines, bytes)


def test_lines_of_several_accounts_are_not_shared() -> None:
    block = render(GAUGE, [Sample(("a", "document", "failed"), 0.0), Sample(("b", "document", "failed"), 0.0)])
    assert block.text.startswith(b'inkit_batches{account="a",')
    assert isinstance(block.lines, bytes)


def test_long_lines_are_not_shared_as_they_have_names_of_their_own() -> None:
    longest = b"x" * MOST_BYTES
    assert isinstance(shared(longest, "a"), SharedLines)
    assert shared(longest + b"x", "a") == longest + b"x"


def test_many_different_lines_are_not_known_for_ever() -> None:
    kept = [shared(b"x %d\n" % number, "a") for number in range(10_000)]
    assert [whole(lines) for lines in kept] == [b"x %d\n" % number for number in range(10_000)]
