"""Problems of a configuration, and how they are reported to the operator.

No message holds a value that could be a secret. Only enumerations, durations and numbers are quoted.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

_SHOWN_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a place, before its file and line are known."""

    place: Place
    message: str
    line: int | None = None
    """The line, if it is not that of the place."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in a configuration, for the operator."""

    file: str
    line: int | None
    path: str
    """Such as `accounts[1].poll_interval`; empty for a problem of the file as a whole."""
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (where, self.path, self.message) if part)

    def fields(self) -> dict[str, str | int | None]:
        """Return file, line and key for a log line, with None for what is not known."""
        return {"file": self.file, "line": self.line, "key": self.path or None}


class ConfigError(Exception):
    """A configuration that can't be used. The text has one line per problem, and is safe to show."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def located(findings: Iterable[Finding], file: str, lines: Mapping[Place, int]) -> list[Problem]:
    """Return the findings as problems with their lines, in the order of the file."""
    found = [(finding.line or _line(finding.place, lines), finding) for finding in findings]
    found.sort(key=lambda pair: (pair[0] or 0, _order(pair[1].place)))
    return [Problem(file, line, path_of(finding.place), finding.message) for line, finding in found]


def _order(place: Place) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in place]


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Return the line of the place or, if it is missing, of the nearest place around it."""
    return next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), None)


def shown(text: str) -> str:
    """Return a word that an operator wrote for use in a message: printable, at most 40 characters.

    It ends where another word begins. YAML reads `{api_token:abc}` as one key, in which a secret follows the colon.
    """
    word, *rest = re.split(r"[:=\s]", text, maxsplit=1)
    printable = "".join(char if char.isprintable() else "?" for char in word) + "…" * len(rest)
    return printable if len(printable) <= _SHOWN_LENGTH else printable[: _SHOWN_LENGTH - 1] + "…"


def path_of(place: Place) -> str:
    """Return the place as operators write it: `accounts[1].tls_config.ca_file`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in place)
    return "".join(parts).removeprefix(".")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the allowed word that was probably meant, or nothing."""
    names = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word[:_SHOWN_LENGTH].lower(), names, n=1)
    return f'; did you mean "{names[close[0]]}"?' if close else ""
