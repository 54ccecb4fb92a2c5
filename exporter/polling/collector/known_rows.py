"""Skip the rows of a page that are unchanged since the last poll: they are not read or looked up. Pure.

If one record is new or changed, the page has other bytes, but all other rows are the same.
"""

import marshal
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from exporter.client import JSON
from exporter.systems.base import Page

Listed = tuple[str, float]
"""The ID of a record, and when it was created, epoch seconds."""

NO_DIGEST = 0
"""The digest of a row that is always read."""


def digests(answer: JSON, key: str | None) -> "array[int]":
    """Return a digest of each row of the list under `key`; none if there is no list.

    Equal rows have equal digests within this process. Other rows have others: two of 64 bits, from a secret seed.
    """
    rows = answer.get(key) if key is not None and isinstance(answer, dict) else None
    return array("q", map(_digest, rows) if isinstance(rows, list) else ())


def _digest(row: JSON) -> int:
    try:
        # The second version of the format: later ones depend on who else refers to a value.
        return hash(marshal.dumps(row, 2))
    except ValueError:
        # It is nested too deeply.
        return NO_DIGEST


def read_changed(
    answer: JSON, key: str, found: Sequence[int], known: Mapping[int, Listed], read: Callable[[JSON], Page]
) -> Page:
    """Read an answer whose rows have the digests `found`, but for the rows that are known. Raises as `read` does."""
    changed = [place for place, digest in enumerate(found) if digest not in known]
    if len(changed) == len(found):
        return read(answer)
    # An answer without rows may be read in another way.
    changed = changed or [0]
    page = read({**answer, key: [answer[key][place] for place in changed]})
    if page.rejected or len(page.records) != len(changed):
        # It is not known which row each record comes from.
        return read(answer)
    read_now = dict(zip(changed, ((record.id, record.created_at) for record in page.records), strict=True))
    listed = [read_now.get(place) or known[digest] for place, digest in enumerate(found)]
    ids = [record_id for record_id, _ in listed]
    if len(set(ids)) < len(ids):
        # If a record is there twice, its last row is kept, and the events of both rows count.
        return read(answer)
    return replace(page, rows=len(found), listed=(ids, [created_at for _, created_at in listed]))
