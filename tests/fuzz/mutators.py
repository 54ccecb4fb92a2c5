"""Ways to change an input: bytes, words, lines, and values of a JSON or YAML document."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from exporter.config.source import yaml_document
from tests.fuzz.target import MOST_BYTES, Mutator

_DEEP = 3_000
_MOST_VALUES = 2_000
_NUMBERS = (
    "0",
    "-1",
    "1",
    "1.5",
    "-0.0",
    "1e400",
    "NaN",
    "Infinity",
    "9" * 5_000,
    str(2**63),
    "1e-400",
    "1_0",
    "0x1f",
    "010",
    "1:30",
)
_TEXTS = (
    "",
    " ",
    "\ud800",
    "\x00",
    "\u202e",
    "\ufeff",
    "x" * 10_000,
    "\u6771\u4eac",
    "none",
    "a\nb",
    "\x1b[2J",
    "{{x}}",
    "$X",
    "~/x",
    "%s",
)
ODD: Sequence[str] = (
    *_NUMBERS,
    *map(json.dumps, _TEXTS),
    "null",
    "true",
    "[]",
    "{}",
    "[" * _DEEP + "]" * _DEEP,
    '{"a":' * _DEEP + "1" + "}" * _DEEP,
    '{"id": 1, "id": 2}',
    "[null, [null]]",
)
"""Values as JSON has them, or as it can't."""


class Raw(str):
    """A value that is written as it stands."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may be there twice."""


# Bytes.


def flip(data: bytes, source: random.Random) -> bytes:
    """Change a few bits."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 3, 8)) if data else 0):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def cut(data: bytes, source: random.Random) -> bytes:
    """Take a part out."""
    start, end = _part(data, source)
    return data[:start] + data[end:]


def truncate(data: bytes, source: random.Random) -> bytes:
    """End early."""
    return data[: source.randrange(len(data) + 1)]


def repeat(data: bytes, source: random.Random) -> bytes:
    """Repeat a part, a few times or until it is as long as an input may be."""
    start, end = _part(data, source)
    part = data[start:end]
    times = source.choice((2, 5, 20, 100, MOST_BYTES) if source.random() < 0.2 else (2, 5, 20))
    return data[:start] + part * min(times, MOST_BYTES // max(1, len(part))) + data[end:]


def move(data: bytes, source: random.Random) -> bytes:
    """Put a part elsewhere."""
    start, end = _part(data, source)
    rest = data[:start] + data[end:]
    place = source.randrange(len(rest) + 1)
    return rest[:place] + data[start:end] + rest[place:]


def noise(data: bytes, source: random.Random) -> bytes:
    """Put any bytes in."""
    place = source.randrange(len(data) + 1)
    return data[:place] + source.randbytes(source.choice((1, 2, 16, 200))) + data[place:]


def number(data: bytes, source: random.Random) -> bytes:
    """Replace a digit by many, a sign or nothing."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if not places:
        return data
    place = source.choice(places)
    new = source.choice(
        (b"0", b"-1", b"9" * 400, b"1e400", b"", b".", b"NaN", b"+1", b"\xd9\xa1", b"0x7", b"9" * 5_000)
    )
    return data[:place] + new + data[place + 1 :]


BYTES: Sequence[Mutator] = (flip, cut, truncate, repeat, move, noise, number)


def _part(data: bytes, source: random.Random) -> tuple[int, int]:
    start = source.randrange(len(data) + 1)
    return start, min(len(data), start + source.choice((1, 2, 5, 20, 200)))


def words(*known: str | bytes) -> Mutator:
    """Return a mutator that puts one of these words in, or in the place of a few bytes."""
    encoded = [word if isinstance(word, bytes) else word.encode() for word in known]

    def put_in(data: bytes, source: random.Random) -> bytes:
        start, end = _part(data, source)
        return data[:start] + source.choice(encoded) + data[source.choice((start, end)) :]

    return put_in


def lines(separator: bytes) -> Mutator:
    """Return a mutator that doubles, deletes, swaps or empties what stands between separators."""

    def change(data: bytes, source: random.Random) -> bytes:
        parts = data.split(separator)
        one, other = source.randrange(len(parts)), source.randrange(len(parts))
        action = source.randrange(4)
        if action == 0:
            parts.insert(other, parts[one])
        elif action == 1:
            del parts[one]
        elif action == 2:
            parts[one], parts[other] = parts[other], parts[one]
        else:
            parts[one] = b""
        return separator.join(parts)

    return change


def spliced(seeds: Sequence[bytes]) -> Mutator:
    """Return a mutator that goes on with the end of a seed."""

    def splice(data: bytes, source: random.Random) -> bytes:
        other = source.choice(seeds)
        return data[: source.randrange(len(data) + 1)] + other[source.randrange(len(other) + 1) :]

    return splice


# Documents.


def json_values(data: bytes, source: random.Random) -> bytes:
    """Change a value, a key or an entry of a JSON document."""
    try:
        document = json.loads(data, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return flip(data, source)
    return written(changed(document, source)).encode("utf-8", "surrogatepass")


def yaml_values(data: bytes, source: random.Random) -> bytes:
    """Change a value, a key or an entry of a YAML document, which becomes one in flow style."""
    try:
        document = _pairs(yaml_document.parse(data).data, [_MOST_VALUES])
    except (yaml_document.NotYaml, ValueError):
        return flip(data, source)
    text = written(changed(document, source))
    # Long lines hide which line a message is about.
    return text.replace(", ", ",\n ").encode("utf-8", "backslashreplace")


def _pairs(value: Any, left: list[int]) -> Any:
    """Return a document with its objects as pairs. Raises ValueError if it has more values than are `left`."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError
    if isinstance(value, dict):
        return Pairs((str(key), _pairs(item, left)) for key, item in value.items())
    return [_pairs(item, left) for item in value] if isinstance(value, list) else value


def changed(document: Any, source: random.Random) -> Any:
    """Return the document with one change at any of its places."""
    places = list(_places(document))
    if not places:
        return Raw(source.choice(ODD))
    holder, key = source.choice(places)
    source.choice(_CHANGES)(holder, key, places, source)
    return document


def _places(value: Any) -> "list[tuple[Any, int]]":
    found: list[tuple[Any, int]] = []
    left = [value]
    while left:
        holder = left.pop()
        if isinstance(holder, list):
            found += [(holder, key) for key in range(len(holder))]
            left += [_get(holder, key) for key in range(len(holder))]
    return found


def _get(holder: Any, key: int) -> Any:
    return holder[key][1] if isinstance(holder, Pairs) else holder[key]


def _set(holder: Any, key: int, value: Any) -> None:
    holder[key] = (holder[key][0], value) if isinstance(holder, Pairs) else value


def _odd(holder: Any, key: int, _: Any, source: random.Random) -> None:
    _set(holder, key, Raw(source.choice(ODD)))


def _swap(holder: Any, key: int, places: Any, source: random.Random) -> None:
    _set(holder, key, Raw(written(_get(*source.choice(places)))))


def _delete(holder: Any, key: int, *_: Any) -> None:
    del holder[key]


def _double(holder: Any, key: int, _: Any, source: random.Random) -> None:
    for _ in range(source.choice((1, 1, 3, 150))):
        holder.insert(source.randrange(len(holder) + 1), holder[key])


def _wrap(holder: Any, key: int, _: Any, source: random.Random) -> None:
    value = Raw(written(_get(holder, key)))
    _set(holder, key, source.choice(([value], Pairs([("a", value)]), Raw(json.dumps(value)))))


def _rename(holder: Any, key: int, places: Any, source: random.Random) -> None:
    if isinstance(holder, Pairs):
        known = [name for other, place in places if isinstance(other, Pairs) for name in (other[place][0],)]
        holder[key] = (source.choice((*known, *_TEXTS, "<<")), holder[key][1])


def _bend(holder: Any, key: int, _: Any, source: random.Random) -> None:
    """Change the text of a value."""
    value = _get(holder, key)
    if isinstance(value, (str, int, float)):
        bent = source.choice(BYTES)(str(value).encode("utf-8", "backslashreplace"), source)
        _set(holder, key, bent[:1_000].decode("utf-8", "replace"))


_CHANGES: Sequence[Callable[..., None]] = (_odd, _odd, _swap, _delete, _double, _wrap, _rename, _bend, _bend)


def written(value: Any) -> str:
    """Return a document as JSON, keys that are there twice included."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, default=str)
