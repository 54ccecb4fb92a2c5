"""Records that the API may no longer have. One poll that misses a record does not prove its deletion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

_POLLS = 2
"""The number of polls in a row that must miss a record before it counts as deleted."""
_MOST_NOTED = 1000
"""The most records in the checkpoint, which is written at each poll. A restart forgets the others."""

Notes = Mapping[str, Sequence[int]]
"""For each ID, how many polls in a row missed the record, and whether by its ID and on the list (1 or 0)."""


@dataclass(slots=True)
class _Missed:
    polls: int = 0
    """How many polls in a row missed it: as many as are needed, at most."""
    by_this_poll: bool = False
    """Whether the poll in progress is the last one of them."""
    not_found: bool = False
    """Whether a fetch by ID did not find it."""
    not_shown: bool = False
    """Whether a scan of the list passed its place and did not show it."""


class Missing:
    """Records that polls missed, over several polls.

    The checkpoint has them too, because the next poll may be made by another process: each is with `once`.
    """

    def __init__(self, notes: Notes | None = None) -> None:
        """Go on with what `notes` returned."""
        self._missed = {
            record_id: _Missed(polls, not_found=bool(not_found), not_shown=bool(not_shown))
            for record_id, (polls, not_found, not_shown) in (notes or {}).items()
        }

    def notes(self) -> Notes:
        """Return the entry of the checkpoint about the missed records. Their number is bounded."""
        first = islice(self._missed.items(), _MOST_NOTED)
        return {record_id: [each.polls, int(each.not_found), int(each.not_shown)] for record_id, each in first}

    def begin(self) -> None:
        """Begin the next poll."""
        for missed in self._missed.values():
            missed.by_this_poll = False

    def not_found(self, ids: Iterable[str]) -> None:
        """Note IDs that a fetch by ID did not find."""
        for record_id in ids:
            self._note(record_id).not_found = True

    def not_shown(self, ids: Iterable[str]) -> None:
        """Note IDs that a scan of the list should have shown and did not."""
        for record_id in ids:
            self._note(record_id).not_shown = True

    def met(self, ids: Iterable[str]) -> None:
        """Note IDs that the API has returned."""
        if self._missed:
            for record_id in ids:
                self._missed.pop(record_id, None)

    def missed_before(self, ids: Iterable[str]) -> set[str]:
        """Return those of the IDs that a poll before this one missed."""
        return {
            record_id
            for record_id in ids
            if (missed := self._missed.get(record_id)) and (missed.polls > 1 or not missed.by_this_poll)
        }

    def was_not_found(self, record_id: str) -> bool:
        """Return whether a fetch by ID did not find this record."""
        return record_id in self._missed and self._missed[record_id].not_found

    def unchecked(self) -> Sequence[str]:
        """Return the IDs that this poll has not missed yet."""
        return [record_id for record_id, missed in self._missed.items() if not missed.by_this_poll]

    def deleted(self, *, by_id: bool, by_list: bool) -> Sequence[str]:
        """Return the IDs of records that were deleted upstream, and forget them here.

        `by_id`: whether records can be fetched by ID. `by_list`: whether they are on a list at all.
        """
        found = [
            record_id
            for record_id, missed in self._missed.items()
            if missed.polls >= _POLLS and missed.not_found >= by_id and missed.not_shown >= by_list
        ]
        self.met(found)
        return found

    def keep(self, ids: Iterable[str]) -> None:
        """Forget all other IDs."""
        kept = set(ids)
        self._missed = {record_id: missed for record_id, missed in self._missed.items() if record_id in kept}

    def all(self) -> Sequence[str]:
        """Return all IDs that are missing."""
        return list(self._missed)

    def _note(self, record_id: str) -> _Missed:
        missed = self._missed.setdefault(record_id, _Missed())
        if not missed.by_this_poll:
            # No more is asked for. A number that went on would change the checkpoint at each poll.
            missed.polls, missed.by_this_poll = min(missed.polls + 1, _POLLS), True
        return missed
