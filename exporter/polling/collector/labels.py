"""Labels that only some accounts have, as a workflow's name: with them or without, a record stands for the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from exporter.model.family import Family
from exporter.model.record import Key, Record


class OptionalLabel:
    """Counts known records with the optional label, or without it."""

    def __init__(self, families: Iterable[Family]) -> None:
        # A key has no account: its family's name stands in that place.
        self._whole: Mapping[str, int] = {family.name: len(family.labels) for family in families if family.optional}

    def as_configured(self, record: Record, has_label: bool) -> Record:
        """Return the record, counted with the label or without. Which value it had is known when it is met again."""
        contributions: Counter[Key] = Counter()
        for key, amount in record.contributions.items():
            contributions[self.key(key, has_label)] += amount
        return record if contributions == record.contributions else replace(record, contributions=dict(contributions))

    def key(self, key: Key, has_label: bool) -> Key:
        """Return a series with the label or without."""
        whole = self._whole.get(key[0])
        if whole is None or (len(key) == whole) is has_label:
            return key
        return (*key, "") if has_label else key[:-1]
