"""Wrong types in every field of the records of every list: the fields are those that the mock APIs send."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from exporter.model.accounting import Rules
from exporter.model.record import Key
from exporter.systems import sources
from tests.support import counting
from tests.support.matrix import wire
from tests.support.matrix.phases import Begin, Undo
from tests.support.matrix.scene import Scene
from tests.support.matrix.watched import WATCHED, Life

Path = tuple[str, ...]
"""Names from the record down; `*` for each entry of an object or a list."""

_DESCRIBING = Rules.of(family for source in sources().values() for family in source.families).describing
_VALUES: Mapping[str, Any] = {
    "null": None,
    "boolean": True,
    "number": 7,
    "text": "odd",
    "list": [],
    "object": {},
}
"""A value of each type of JSON."""


def fields() -> Mapping[Path, frozenset[str]]:
    """Return the fields, each with the kinds of records that have it."""
    found: defaultdict[Path, set[str]] = defaultdict(set)
    for watched in WATCHED:
        life = Life(watched, lambda: 1_700_000_000.0)
        for item in life.items():
            for path in _paths(item):
                found[path].add(watched.kind)
    return {path: frozenset(kinds) for path, kinds in found.items()}


def same(path: Path) -> Callable[[Key], Key | None]:
    """Return what becomes of a series of events: those between which this field decides are one, and None is any."""
    name = ".".join(path)
    if name in ("resource", "mode", "via", "action"):
        return lambda key: tuple(value for at, value in enumerate(key) if at not in _DESCRIBING.get(key[0], ()))
    if name in ("destinations", "destinations.*", "destinations.*.status"):
        return lambda key: (key[0], key[-1]) if key[0] == counting.UNNAMED[0] else key
    if name == "phases.*.name":
        return lambda key: None if key[0] == "packagex_batch_items_finished_total" else key
    return lambda key: key


def wrong(path: Path) -> Begin:
    """Put values of all wrong types into a field: each record has the next one."""

    def begin(scene: Scene) -> Undo:
        numbers = iter(range(10**9))

        def change(item: Any) -> Any:
            return _changed(item, path, next(numbers))

        scene.wire.effect = wire.body(lambda body: _rows(body, change))

        def end() -> None:
            scene.wire.effect = None

        return end

    return begin


def _paths(value: Any) -> Iterator[Path]:
    entries = value.items() if isinstance(value, dict) else ()
    for name, entry in entries:
        yield (name,)
        yield from ((name, *path) for path in _below(name, entry))


def _below(name: str, entry: Any) -> Iterator[Path]:
    """Entries of an object that has names of its own, or of a list, have the same fields."""
    inner = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    if name == "stats":
        yield ("*",)
        return
    for each in inner:
        yield ("*",)
        yield from (("*", *path) for path in _paths(each))


def _changed(value: Any, path: Path, number: int) -> Any:
    if not path:
        others = [other for name, other in _VALUES.items() if name != _type(value)]
        return others[number % len(others)]
    name, *rest = path
    if name == "*" and isinstance(value, list):
        return [_changed(each, tuple(rest), number) for each in value]
    names = value if name == "*" else [name] if name in value else []
    return {**value, **{each: _changed(value[each], tuple(rest), number) for each in names}}


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    of = {dict: "object", list: "list", str: "text", int: "number", float: "number"}
    return of.get(type(value), "null")


def _rows(body: bytes, change: Callable[[Any], Any]) -> bytes:
    """Change the rows of a list, or the record of an answer by ID."""
    answer = json.loads(body)
    for key in ("items", "data"):
        found = answer.get(key)
        if isinstance(found, list):
            return json.dumps({**answer, key: [change(item) for item in found]}).encode()
        if isinstance(found, dict):
            return json.dumps({**answer, key: change(found)}).encode()
    return json.dumps(change(answer)).encode()
