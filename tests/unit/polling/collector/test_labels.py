"""Records that are counted with a label that only some accounts have, or without it."""

from exporter.model.accounting import Rules
from exporter.model.family import Family
from exporter.model.record import Key, Record
from exporter.polling.collector.labels import OptionalLabel
from exporter.systems import sources

FAMILIES = [family for family in sources()["inkit"].families if family.name.startswith("inkit_invocation")]
LABELED = next(family for family in FAMILIES if family.optional)
WITH: Key = (LABELED.name, *("x" for _ in LABELED.labels[1:-1]), "")
WITHOUT: Key = WITH[:-1]
PLAIN: Key = ("inkit_batches", "x")


def label(families: list[Family] = FAMILIES) -> OptionalLabel:
    return OptionalLabel(Rules.of(families))


def test_a_series_gets_the_label_or_loses_it() -> None:
    assert len(WITH) == len(LABELED.labels)
    assert [label().key(key, has_label=True) for key in (WITH, WITHOUT, PLAIN)] == [WITH, WITH, PLAIN]
    assert [label().key(key, has_label=False) for key in (WITH, WITHOUT, PLAIN)] == [WITHOUT, WITHOUT, PLAIN]


def test_what_differs_in_the_label_alone_is_added_up() -> None:
    record = Record("r1", 0.0, False, {(*WITHOUT, "A"): 2, (*WITHOUT, "B"): 3, PLAIN: 1})
    assert label().as_configured(record, has_label=False).contributions == {WITHOUT: 5, PLAIN: 1}


def test_a_record_that_is_counted_so_already_stays_the_same() -> None:
    record = Record("r1", 0.0, False, {WITH: 2, PLAIN: 1})
    assert label().as_configured(record, has_label=True) is record
