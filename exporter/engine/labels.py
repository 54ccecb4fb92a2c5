"""Labels that only some accounts have, as a workflow's name: with them or without, a record stands for the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from exporter.families import Family
from exporter.records import Key, Record


class OptionalLabel:
    """Counts known records with another value of the optional label, with none, or with one where they had none."""

    def __init__(self, families: Iterable[Family]) -> None:
        # A key has no account: its family's name stands in that place.
        self._whole: Mapping[str, int] = {family.name: len(family.labels) for family in families if family.optional}

    def like(self, before: Record, after: Record) -> Record:
        """`before`, counted with the label that `after` has."""
        values = {self._value(key) for key in after.adds if key[0] in self._whole}
        if len(values) != 1 or all(self._value(key) in values for key in before.adds if key[0] in self._whole):
            return before
        return self.labelled(before, values.pop())

    def labelled(self, record: Record, value: str | None) -> Record:
        """The record, counted with this value of the label; None is without the label."""
        adds: Counter[Key] = Counter()
        for key, amount in record.adds.items():
            adds[self._key(key, value)] += amount
        return replace(record, adds=dict(adds))

    def as_configured(self, record: Record, has_label: bool) -> Record:
        """The record, counted with the label or without. Which value it had nobody knows until it is met again."""
        fits = all((self._value(key) is not None) is has_label for key in record.adds if key[0] in self._whole)
        return record if fits else self.labelled(record, "" if has_label else None)

    def _value(self, key: Key) -> str | None:
        return key[-1] if len(key) == self._whole[key[0]] else None

    def _key(self, key: Key, value: str | None) -> Key:
        if key[0] not in self._whole:
            return key
        bare = key[: self._whole[key[0]] - 1]
        return bare if value is None else (*bare, value)
