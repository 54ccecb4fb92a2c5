"""Looking up values in a file's data while some of it may be wrong. What is wrong is decided elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.config.source.problems import Place


@dataclass(frozen=True, slots=True)
class Draft:
    """A file's data, some of which may be wrong."""

    data: object
    wrong: frozenset[Place]
    lines: Mapping[Place, int]

    def get(self, *place: str | int) -> object:
        """The value at the place; None if there is none, or if it is wrong."""
        value = self.data
        for depth, part in enumerate(place):
            if place[: depth + 1] in self.wrong:
                return None
            value = _child(value, part)
        return value

    def text(self, *place: str | int) -> str | None:
        value = self.get(*place)
        return value if isinstance(value, str) else None

    def keys(self, *place: str | int) -> list[str]:
        """The keys of the mapping at the place, without those whose value is null."""
        value = self.get(*place)
        return [key for key, one in value.items() if one is not None] if isinstance(value, dict) else []

    def indexes(self, *place: str | int) -> range:
        """The indexes of the list at the place."""
        value = self.get(*place)
        return range(len(value)) if isinstance(value, list) else range(0)


def _child(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int):
        return value[part]
    return None
