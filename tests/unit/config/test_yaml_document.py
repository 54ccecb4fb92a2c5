"""YAML becomes plain data, within bounds."""

import pytest

from exporter.config.source import yaml_document
from exporter.config.source.yaml_document import MAX_DEPTH, Misread, NotYaml, parse


def data(text: str) -> object:
    return parse(text.encode()).data


def refusal(text: str) -> str:
    with pytest.raises(NotYaml) as caught:
        parse(text.encode())
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", "x"),
        ("'on'", "on"),
        ("~", None),
        ("YES", True),
        ("off", False),
        ("-12", -12),
        ("+5", 5),
        ("0", 0),
        ("1.5", 1.5),
        ("60s", "60s"),
        ("1e5", "1e5"),
        ("=", "="),
        ("[<<]", ["<<"]),
        ("{}", {}),
        ("[a, [b]]", ["a", ["b"]]),
        ("!!str 5", "5"),
        ("1:30", Misread("a number in an unusual notation")),
        ("017", Misread("a number in an unusual notation")),
        ("1_000", Misread("a number in an unusual notation")),
        ("1:30.5", Misread("a number in an unusual notation")),
        (".nan", Misread("a number in an unusual notation")),
        ("2024-01-01", Misread("a date")),
        ("2024-13-45 10:00:00", Misread("a date")),
    ],
)
def test_a_scalar_is_what_an_operator_sees_in_it_or_is_marked_as_misread(text: str, value: object) -> None:
    found = data(text)
    assert found == value
    assert type(found) is type(value)


def test_every_place_has_the_line_of_its_key_or_else_its_own() -> None:
    document = parse(b"a:\n  b: 1\nc:\n- x\n-\n  y\n")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("c",): 3,
        ("c", 0): 4,
        ("c", 1): 6,
    }


def test_a_key_that_is_merged_in_has_the_line_where_it_was_written() -> None:
    lines = parse(b"a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2\n").lines
    assert (lines["a", "x"], lines["b", "x"], lines["b", "y"]) == (2, 2, 5)


def test_a_key_of_its_own_wins_over_a_merged_one_and_the_first_merge_over_the_next() -> None:
    merged = "a: {<<: [{x: 1, y: 1}, {y: 2, z: 2}], x: 0}"
    assert data(merged) == {"a": {"x": 0, "y": 1, "z": 2}}


def test_as_many_values_as_are_allowed_can_be_read_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_document, "MAX_VALUES", most := 1000)
    # The outer list, twice the inner one with its items, and a mapping with one key and one value.
    items = ", ".join("x" * (most // 2 - 3))
    assert isinstance(data(f"[&a [{items}], *a, {{k: x}}]"), list)
    assert refusal(f"[&a [{items}], *a, {{k: x}}, x]").startswith(f"more than {most} values")
    assert refusal(f"{{a: &a [{items}, x], b: *a}}").startswith(f"more than {most} values")


def test_as_deep_as_is_allowed_can_be_read_and_no_deeper() -> None:
    assert isinstance(data("[" * MAX_DEPTH + "]" * MAX_DEPTH), list)
    assert refusal("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).startswith(f"nested more than {MAX_DEPTH}")


def test_aliases_do_not_lead_deeper_than_is_allowed() -> None:
    def chain(length: int) -> str:
        return "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, length))

    assert isinstance(data(chain(MAX_DEPTH - 1)), dict)
    assert refusal(chain(MAX_DEPTH)).startswith(f"nested more than {MAX_DEPTH}")
