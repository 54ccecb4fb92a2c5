"""Words of an API in other spellings: a record says the same, whichever serializer of whichever host wrote it."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.systems.fields import FINAL
from exporter.systems.inkit.families import DESTINATIONS, KNOWN_STATUSES
from exporter.systems.packagex.families import OPEN
from tests.support import inkit_items, packagex_items

SPELLINGS: Mapping[str, Callable[[list[str]], str]] = {
    "snake": "_".join,
    "kebab": "-".join,
    "screaming": lambda words: "_".join(words).upper(),
    "title": lambda words: " ".join(words).title(),
    "pascal": lambda words: "".join(word.capitalize() for word in words),
    "camel": lambda words: words[0] + "".join(word.capitalize() for word in words[1:]),
    "joined": "".join,
}


def spelled(word: str, how: str) -> str:
    return SPELLINGS[how](word.split("_"))


HOW = st.sampled_from(sorted(SPELLINGS))
STATUS = st.sampled_from(sorted(KNOWN_STATUSES))
DESTINATION = st.sampled_from(DESTINATIONS)


@given(STATUS, STATUS, st.dictionaries(DESTINATION, STATUS, max_size=3), HOW)
def test_an_invocation_is_the_same_in_every_spelling(
    status: str, rollup: str, deliveries: dict[str, str], how: str
) -> None:
    """A failure must not count again, as that of another destination, where hosts spell it in two ways."""
    others = {spelled(name, how): spelled(delivery, how) for name, delivery in deliveries.items()}
    other = inkit_items.invocation(spelled(status, how), spelled(rollup, how), **others)
    assert inkit_items.read(other, "invocations") == inkit_items.read(
        inkit_items.invocation(status, rollup, **deliveries), "invocations"
    )


@given(STATUS, st.dictionaries(DESTINATION, st.dictionaries(STATUS, st.integers(0, 3)), max_size=3), HOW)
def test_a_batch_is_the_same_in_every_spelling(status: str, found: dict[str, dict[str, int]], how: str) -> None:
    others: dict[str, Any] = {
        spelled(name, how): {spelled(key, how): count for key, count in counts.items()}
        for name, counts in found.items()
    }
    other = inkit_items.batch(spelled(status, how), 5, **others)
    assert inkit_items.read(other) == inkit_items.read(inkit_items.batch(status, 5, **found))


@given(st.sampled_from(sorted({*FINAL, *OPEN})), HOW)
def test_a_batch_of_packagex_is_the_same_in_every_spelling(status: str, how: str) -> None:
    other = packagex_items.batch(status=spelled(status, how))
    assert packagex_items.read(other) == packagex_items.read(packagex_items.batch(status=status))


@given(st.sampled_from(["Archived", "InReview", "timed out soon", "not_completed", "sent"]))
def test_a_word_that_no_page_names_stays_as_it_is(status: str) -> None:
    (key, *_) = packagex_items.read(packagex_items.batch(status=status)).contributions
    assert key[-1] == "_".join(status.lower().split())
