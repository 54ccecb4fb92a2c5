"""From findings to problems: which line of the file each is about. What is wrong is decided elsewhere."""

from collections.abc import Iterable, Mapping

from exporter.config.source.problems import Finding, Place, Problem, path_of


def located(findings: Iterable[Finding], file: str, lines: Mapping[Place, int]) -> list[Problem]:
    """The findings as problems, in the order of the file."""
    found = [(finding.line or _line(finding.place, lines), finding) for finding in findings]
    found.sort(key=lambda one: (one[0] or 0, _order(one[1].place)))
    return [Problem(file, line, path_of(finding.place), finding.message) for line, finding in found]


def _order(place: Place) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in place]


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    """The line of the place, or of what it would be in if it were there."""
    return next((lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in lines), None)
