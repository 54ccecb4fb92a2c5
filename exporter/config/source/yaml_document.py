"""Read YAML into plain data with line numbers.

PyYAML composes the nodes. Their values are made here, so that no tag creates an object, no word is silently read as
something else, and neither aliases nor nesting exhaust the memory.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from exporter.config.source import yaml_errors
from exporter.config.source.problems import Finding, Place

MAX_VALUES = 1_000_000
"""The most values of a file: fifty thousand accounts with all their keys. Reading a value takes about 1 KiB."""
_SMALL_VALUES = 100_000
"""Any file may have this many values. In larger ones, each value needs a character: only aliases make more."""
MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PLAIN = frozenset(_TAG + kind for kind in ("bool", "int", "float", "timestamp"))
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Misread:
    """A plain scalar that YAML 1.1 reads as something unexpected, such as 2024-01-01 as a date."""

    what: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data: dictionaries with text as keys, lists, text, numbers, truth values, None and Misread."""

    data: object
    lines: dict[Place, int]
    """The line, from 1, of each place in the data, which is that of its key if it has one."""
    findings: tuple[Finding, ...]
    """Problems of the YAML that did not prevent reading it."""


class NotYaml(Exception):
    """A text that is not valid YAML. The message is safe to show."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


class Empty(NotYaml):
    """A text with nothing but comments."""


def parse(content: bytes, texts: Callable[[Place], bool] = lambda _: False) -> Document:
    """Read one YAML document in UTF-8. Raises NotYaml.

    `texts` returns whether the value at a place is text as written, whatever YAML would read in it.
    """
    text = _decode(content)
    root = _compose(text)
    if root is None:
        raise Empty(None, "the file is empty")
    builder = _Builder(texts, _most_values(text))
    data = builder.value(root, ())
    return Document(data, builder.lines, tuple(builder.findings))


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotYaml(line, "the file is not text in UTF-8") from None


class _Loader(yaml.SafeLoader):
    """PyYAML's composer, with limits that no configuration exceeds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._most = _most_values(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._values += 1
        self._depth += 1
        _refuse_excess(self._values, self._most, self._depth, self.line + 1)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _compose(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        raise NotYaml(*yaml_errors.words(error, text)) from None
    try:
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise NotYaml(*yaml_errors.words(error, text)) from None
    except (ValueError, OverflowError):
        # From chr() and int() in the scanner, for "\UFFFFFFFF" and the like.
        raise NotYaml(loader.line + 1, "not valid YAML: a number that is too large") from None
    finally:
        loader.dispose()


def _most_values(text: str) -> int:
    return min(MAX_VALUES, max(_SMALL_VALUES, len(text)))


def _refuse_excess(values: int, most: int, depth: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise NotYaml(line, f"nested more than {MAX_DEPTH} deep; no configuration is")
    if values > most:
        raise NotYaml(line, f"more than {most} values, aliases counted each time; no configuration has so many")


class _Builder:
    """Makes data from nodes, and collects lines and findings."""

    def __init__(self, texts: Callable[[Place], bool], most: int) -> None:
        self._texts = texts
        self._most = most
        self.lines: dict[Place, int] = {}
        self.findings: list[Finding] = []
        self._values = 0
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, place: Place) -> object:
        self.lines.setdefault(place, _line(node))
        if isinstance(node, yaml.ScalarNode):
            self._values += 1
            _refuse_excess(self._values, self._most, len(self._open), _line(node))
            return self._scalar(node, place)
        self._enter(node)
        try:
            return self._collection(node, place)
        finally:
            self._open.pop()

    def _enter(self, node: yaml.Node) -> None:
        if any(node is outer for outer in self._open):
            raise NotYaml(_line(node), "an alias (*) that refers to what it is a part of")
        self._open.append(node)
        self._values += 1
        _refuse_excess(self._values, self._most, len(self._open), _line(node))

    def _collection(self, node: yaml.Node, place: Place) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            data = {}
            for key, line, value in self._pairs(node, place):
                self.lines.setdefault((*place, key), line)
                data[key] = self.value(value, (*place, key))
            return data
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._unknown_tag(place)

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, int, yaml.Node]]:
        """Yield the keys of a mapping with lines and values: its own first, then those merged in with `<<`."""
        seen: dict[str, int] = {}
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merges.append(value_node)
                continue
            key = self._key(key_node, place)
            if key is None:
                continue
            if key in seen:
                message = f"given twice, first in line {seen[key]}"
                self.findings.append(Finding((*place, key), message, _line(key_node)))
                continue
            seen[key] = _line(key_node)
            yield key, seen[key], value_node
        for merge in merges:
            for key, line, value_node in self._merged(merge, place):
                if key not in seen:
                    seen[key] = line
                    yield key, line, value_node

    def _merged(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, int, yaml.Node]]:
        """Yield the keys of the mapping, or of the list of mappings, after `<<`."""
        self._enter(node)
        try:
            if isinstance(node, yaml.MappingNode):
                yield from self._pairs(node, place)
            elif isinstance(node, yaml.SequenceNode):
                for item in node.value:
                    yield from self._merged(item, place)
            else:
                self.findings.append(Finding((*place, "<<"), "must be an alias of a mapping", _line(node)))
        finally:
            self._open.pop()

    def _key(self, node: yaml.Node, place: Place) -> str | None:
        self._values += 1
        if isinstance(node, yaml.ScalarNode) and not _surrogates(node.value):
            is_text = node.tag == _TAG + "str" or (node.tag in _PLAIN and self._texts((*place, node.value)))
            if is_text:
                return str(node.value)
        self.findings.append(Finding((*place, "?"), "a key that is not text; put it in quotes", _line(node)))
        return None

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        text = node.value
        if node.tag in _PLAIN and self._texts(place):
            return text
        match node.tag.removeprefix(_TAG):
            case "str" | "value" | "merge":
                if _surrogates(text):
                    self.findings.append(Finding(place, "has half of a surrogate pair, which is not a character"))
                return text
            case "null":
                return None
            case "bool" if text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            case "int" if _DECIMAL.fullmatch(text):
                return int(text)
            case "float":
                return _float(text)
            case "int":
                return Misread("a number in an unusual notation")
            case "timestamp":
                return Misread("a date")
        return self._unknown_tag(place)

    def _unknown_tag(self, place: Place) -> Misread:
        message = 'begins with a "!", which is a tag to YAML, of a kind that is not allowed; put text in quotes'
        self.findings.append(Finding(place, message))
        return Misread("a tag")


def _float(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return Misread("a number in an unusual notation")


def _surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
