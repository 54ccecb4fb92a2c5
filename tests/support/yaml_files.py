"""YAML as libyaml reads it: with the same result as Python's own reader, in a tenth of the time."""

from collections.abc import Iterator
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str) -> Any:
    """Return the one document of a text."""
    return yaml.load(text, _LOADER)  # noqa: S506


def read_all(text: str) -> Iterator[Any]:
    """Return the documents of a text."""
    return yaml.load_all(text, _LOADER)
