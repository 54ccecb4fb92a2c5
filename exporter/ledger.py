"""What a record's change does to the gauges. Pure: no clock, no file, no request."""

from collections import Counter
from collections.abc import Mapping

from exporter.records import Key, Record

RECORDS = "batch_exporter_records"
"""The family that counts the records themselves, kept by the same means as the vendors' gauges."""


def weight(record: Record | None) -> Mapping[Key, int]:
    """All that a record adds to any gauge; a record that is not there adds nothing."""
    if record is None:
        return {}
    return {**record.adds, (RECORDS, "in_flight" if record.in_flight else "finished"): 1}


def change(before: Record | None, after: Record | None) -> Mapping[Key, int]:
    """What must be added to each gauge when a record goes from `before` to `after`; empty if nothing changes."""
    delta = Counter(weight(after))
    delta.subtract(weight(before))
    return {key: amount for key, amount in delta.items() if amount}
