"""Look up values in a file's data, some of which may be invalid."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.config.source.problems import Place


@dataclass(frozen=True, slots=True)
class Draft:
    """A file's data, some of which may be invalid."""

    data: object
    wrong: frozenset[Place]
    lines: Mapping[Place, int]

    def get(self, *place: str | int) -> object:
        """Return the value at the place; None for a missing or invalid one."""
        value = self.data
        for depth, part in enumerate(place):
            if place[: depth + 1] in self.wrong:
                return None
            value = _child(value, part)
        return value

    def text(self, *place: str | int) -> str | None:
        """Return the value at the place if it is text."""
        value = self.get(*place)
        return value if isinstance(value, str) else None

    def keys(self, *place: str | int) -> list[str]:
        """Return the keys of the mapping at the place, without those whose value is null."""
        value = self.get(*place)
        return [key for key, child in value.items() if child is not None] if isinstance(value, dict) else []

    def indexes(self, *place: str | int) -> range:
        """Return the indexes of the list at the place."""
        value = self.get(*place)
        return range(len(value)) if isinstance(value, list) else range(0)


def _child(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int):
        return value[part]
    return None
