"""Records that the API seems to have no longer. One answer that says so is not believed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_POLLS = 2
"""Polls in a row that must say so."""


@dataclass(slots=True)
class _Missed:
    polls: int = 0
    """Polls in a row that said so."""
    last: int = -1
    """The last one of them."""
    asked: bool = False
    """Asked for by its id, it was not there."""
    unseen: bool = False
    """A reading of the list has come by its place, and did not show it."""


class Missing:
    """What speaks for it that records are gone, over polls. Kept in memory: a restart begins to doubt anew."""

    def __init__(self) -> None:
        self._poll = 0
        self._doubts: dict[str, _Missed] = {}

    def begin(self) -> None:
        """A poll begins."""
        self._poll += 1

    def not_found(self, ids: Iterable[str]) -> None:
        """Note ids that the API did not have when asked for them."""
        for one in ids:
            self._said(one).asked = True

    def not_shown(self, ids: Iterable[str]) -> None:
        """Note ids that a reading of the list should have shown."""
        for one in ids:
            self._said(one).unseen = True

    def met(self, ids: Iterable[str]) -> None:
        """Note ids that the API has."""
        if self._doubts:
            for one in ids:
                self._doubts.pop(one, None)

    def doubted_before(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that a poll before this one has begun to doubt."""
        return {one for one in ids if (doubt := self._doubts.get(one)) and (doubt.polls > 1 or doubt.last < self._poll)}

    def was_asked(self, one: str) -> bool:
        """Was this one asked for by its id, and not there."""
        return one in self._doubts and self._doubts[one].asked

    def open(self) -> Sequence[str]:
        """Ids that this poll has said nothing of yet."""
        return [one for one, doubt in self._doubts.items() if doubt.last < self._poll]

    def deleted(self, *, by_id: bool, by_list: bool) -> Sequence[str]:
        """Ids that are gone by all that was said; they are doubted no longer.

        `by_id`, `by_list`: can they be asked for, and are they on a list at all.
        """
        found = [
            one
            for one, doubt in self._doubts.items()
            if doubt.polls >= _POLLS and doubt.asked >= by_id and doubt.unseen >= by_list
        ]
        self.met(found)
        return found

    def keep(self, ids: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(ids)
        self._doubts = {one: doubt for one, doubt in self._doubts.items() if one in kept}

    def all(self) -> Sequence[str]:
        return list(self._doubts)

    def _said(self, one: str) -> _Missed:
        doubt = self._doubts.setdefault(one, _Missed())
        if doubt.last < self._poll:
            doubt.polls, doubt.last = doubt.polls + 1, self._poll
        return doubt
