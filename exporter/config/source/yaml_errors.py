"""Word YAML's syntax errors. PyYAML's own messages are not used: they quote the file, and so secrets."""

import yaml

_QUOTE_IT = "put text that begins with it in quotes"
_WORDS = (
    ("expected a single document", "there is more than one document (---); a configuration is one"),
    ("found undefined alias", f'a "*" that refers to no anchor; {_QUOTE_IT}'),
    ("found duplicate anchor", "an anchor (&) that was used before"),
    ("mapping values are not allowed", 'a ":" where none can be; check the indentation, or put the text in quotes'),
    ("could not find expected ':'", 'a key without a ":" and a space after it'),
    ("while scanning a quoted scalar: found unexpected", "a quoted text that is not closed"),
    ("while scanning a double-quoted scalar", r'an unknown "\" sequence in double quotes; use single quotes'),
    ("while scanning a block scalar", f'a "|" or ">" with text behind it; {_QUOTE_IT}'),
    ("while scanning a directive", 'a line that begins with "%", which is for directives; put the text in quotes'),
    ("expected '<document start>'", "text where none can be; check the indentation"),
    ("mapping keys are not allowed", 'a "?" where none can be; put the text in quotes'),
    ("while parsing a block", "the indentation does not fit, or text follows where none can be"),
    ("while parsing a flow", 'a "[" or "{" that is not closed, or a comma that is missing'),
    ("that cannot start any token", f"a character that no value can begin with; {_QUOTE_IT}"),
    ("sequence entries are not allowed", 'a "-" where none can be; check the indentation'),
    ("while scanning an alias", f'a "*" that names no anchor; {_QUOTE_IT}'),
    ("while scanning an anchor", f'an "&" that names no anchor; {_QUOTE_IT}'),
    ("incompatible YAML", "a YAML version that is not 1"),
    ("tag", f'a "!" that YAML reads as a tag; {_QUOTE_IT}'),
)


def words(error: yaml.MarkedYAMLError | yaml.reader.ReaderError, text: str) -> tuple[int | None, str]:
    """Return the line, from 1, of a syntax error in `text`, and a message for the operator."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, "a control character, which YAML does not allow"
    mark = error.problem_mark or error.context_mark
    original = f"{error.context}: {error.problem}"
    meant = next((words for part, words in _WORDS if part in original), "this can't be read")
    if mark is None:
        return None, f"not valid YAML: {meant}"
    if _tab_at(text, mark.line, mark.column):
        meant = "a tab character where YAML has spaces"
    return mark.line + 1, f"not valid YAML: {meant} (column {mark.column + 1})"


def _tab_at(text: str, line: int, column: int) -> bool:
    """Return whether there is a tab at this point or in the indentation of its line."""
    lines = text.splitlines()
    content = lines[line] if line < len(lines) else ""
    return "\t" in content[: len(content) - len(content.lstrip())] + content[column : column + 1]
