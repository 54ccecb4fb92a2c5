"""Validate types with pydantic, and word its errors. pydantic's own messages quote values, so they are not used."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, nearest, path_of, shown
from exporter.config.source.yaml_document import Document, Misread

_Shape = TypeVar("_Shape", bound=BaseModel)


def validate(shape: type[_Shape], document: Document) -> tuple[_Shape | None, Draft, list[Finding]]:
    """Return a document as this model, or None; then what of it is valid, and its problems."""
    model, wrong = None, list[Finding]()
    try:
        model = shape.model_validate(document.data)
    except ValidationError as error:
        wrong = [Finding(each["loc"], _message(shape, each)) for each in error.errors(include_url=False)]
    # Values that are not valid YAML have no type to check.
    unreadable = {finding.place for finding in document.findings}
    found = [*document.findings, *(finding for finding in wrong if finding.place not in unreadable)]
    return model, Draft(document.data, frozenset(finding.place for finding in found), document.lines), found


def _message(shape: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        *parent, key = error["loc"]
        return "unknown key" + (
            _further_out(shape, parent, str(key)) or nearest(str(key), _shape_at(shape, parent).model_fields)
        )
    return _MESSAGES.get(error["type"], _not_valid)(error)


def _further_out(shape: type[BaseModel], place: Sequence[str | int], key: str) -> str:
    """Return the end of a message about a key that one of the mappings around this place has, or nothing."""
    for depth in range(len(place) - 1, -1, -1):
        if key in _shape_at(shape, place[:depth]).model_fields:
            return f"; it belongs in {path_of(tuple(place[:depth]))}" if depth else "; it belongs at the top level"
    return ""


def _shape_at(shape: type[BaseModel], place: Iterable[str | int]) -> type[BaseModel]:
    """Return the model of the mapping at this place."""
    keys = iter(place)
    for key in keys:
        if isinstance(key, str):
            kind = shape.model_fields[key].annotation
            if get_origin(kind) is dict:
                # The next key is one of the mapping's own.
                next(keys, None)
            shape = next(
                each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel)
            )
    return shape


def _not_text(error: ErrorDetails) -> str:
    found = error["input"]
    if isinstance(found, (bool, int, float, Misread)):
        return f"must be text, but YAML reads this as {_kind(found)}; put it in quotes"
    return _not("text")(error)


def _not(expected: str) -> Callable[[ErrorDetails], str]:
    def message(error: ErrorDetails) -> str:
        if error["input"] is None:
            return f"needs a value: {expected}"
        return f"must be {expected}, not {_number_or_kind(error['input'])}"

    return message


def _number_or_kind(value: object) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return shown(str(value)) if is_number else _kind(value)


def _limit(words: str, limit: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"must be at {words} {error['ctx'][limit]}, not {_number_or_kind(error['input'])}"


def _our_own(error: ErrorDetails) -> str:
    return str(error["ctx"]["error"])


def _not_valid(_: ErrorDetails) -> str:
    return "is not valid"


def _kind(value: object) -> str:
    if isinstance(value, Misread):
        return value.what
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return kinds.get(type(value), "a mapping")


_MESSAGES: Mapping[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "is required",
    "string_type": _not_text,
    "bool_type": _not("true or false"),
    "int_type": _not("a whole number"),
    "float_type": _not("a number"),
    "finite_number": _not("a finite number"),
    "greater_than_equal": _limit("least", "ge"),
    "less_than_equal": _limit("most", "le"),
    "tuple_type": _not("a list"),
    "dict_type": _not("a mapping of keys to values"),
    "model_type": _not("a mapping of keys to values"),
    "value_error": _our_own,
}
