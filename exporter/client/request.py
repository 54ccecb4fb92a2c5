"""The values that go to an API and come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = Any
"""A decoded JSON value. The systems check every part of it before use."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GET relative to the account's base URL."""

    endpoint: str
    """The pattern of the path, such as `/batch/{id}`. It becomes a label value, so it never holds an ID."""
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None
    """The most bytes of the answer, if that is less than the general limit."""
