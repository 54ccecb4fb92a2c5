"""Optional labels, such as a workflow's name: a record is the same with and without them."""

from collections import Counter
from dataclasses import replace

from exporter.model.accounting import Rules
from exporter.model.record import Key, Record


class OptionalLabel:
    """Count known records with the optional label, or without it."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def as_configured(self, record: Record, has_label: bool) -> Record:
        """Return the record, counted with the label or without. The label's value is known once it is seen again."""
        contributions: Counter[Key] = Counter()
        for key, amount in record.contributions.items():
            contributions[self.key(key, has_label)] += amount
        return record if contributions == record.contributions else replace(record, contributions=dict(contributions))

    def key(self, key: Key, has_label: bool) -> Key:
        """Return a series with the label or without."""
        if has_label and self._rules.optional(key):
            return key
        return self._rules.with_optional(key, ("",) if has_label else ())
