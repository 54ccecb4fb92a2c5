"""What is asked of an API, and what it answers: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = Any
"""A decoded JSON value: the sources check every part of it before use."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET relative to the account's base URL."""

    endpoint: str
    """The path's pattern, such as `/batch/{id}`: a label value, so it never holds an id."""
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None
    """The most bytes that the answer may have, where that is less than what any may have."""
