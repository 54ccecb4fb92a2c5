"""What can be wrong in a configuration and how it is said. What is wrong, other modules decide.

No message holds a value that could be a secret: of values only enumerations, durations and numbers are shown.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""Where a value is: the keys and indexes that lead to it."""

_SHOWN_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a place, before its file and line are known."""

    place: Place
    message: str
    line: int | None = None
    """Where it is not the line of the place itself."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a configuration, for the operator."""

    file: str
    line: int | None
    path: str
    """Such as `accounts[1].poll_interval`; empty if it is about the file as a whole."""
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.path, self.message) if part)

    def fields(self) -> dict[str, str | int | None]:
        """Return where it is, for a log line: file, line and key, None for what is not known."""
        return {"file": self.file, "line": self.line, "key": self.path or None}


class ConfigError(Exception):
    """A configuration can't be used. Its text is one line per problem, and safe to show."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(text: str) -> str:
    """The word that an operator wrote, as it may stand in a message: printable, at most 40 characters.

    It ends where another word begins. `{api_token:abc}` is one key to YAML, and what follows the colon may be a secret.
    """
    word, *rest = re.split(r"[:=\s]", text, maxsplit=1)
    printable = "".join(char if char.isprintable() else "?" for char in word) + "…" * len(rest)
    return printable if len(printable) <= _SHOWN_LENGTH else printable[: _SHOWN_LENGTH - 1] + "…"


def path_of(place: Place) -> str:
    """The place as operators write it: `accounts[1].tls_config.ca_file`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in place)
    return "".join(parts).removeprefix(".")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """The end of a message about an unknown word: the allowed one that was probably meant, or nothing."""
    names = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word[:_SHOWN_LENGTH].lower(), names, n=1)
    return f'; did you mean "{names[close[0]]}"?' if close else ""
