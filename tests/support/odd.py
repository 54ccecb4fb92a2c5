"""A grammar of odd records: items of every list in which any field may have any value that JSON can hold."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

_RAW = {
    "@deep list@": "[" * 5_000 + "]" * 5_000,
    "@deep object@": '{"status":' * 5_000 + "1" + "}" * 5_000,
    "@digits@": "9" * 5_000,
    "@negative digits@": "-" + "9" * 5_000,
    "@overflow@": "1e400",
    "@underflow@": "-1e-400",
    "@twice@": '{"status": "Completed", "status": "Failed"}',
}
"""What Python can't write as JSON, and stands in its place as text."""

_LONG = ["x" * 100_000, "\u6771\u4eac" * 50_000, "\u2709" * 30_000, " " * 100_000 + "x", "1" * 100_000]
_WORDS = ["Failed", "failed", "Completed", "In Progress", "Timed Out", "EXPIRED", "none", "unknown", "__other__"]
_NAMES = [
    "sepire",
    "Sepire",
    "Sales/EU",
    "sales-eu",
    "\u6771\u4eac\u652f\u5e97",
    "\u0645\u06cc\u200c\u062e",
    "",
    "\u2709",
]
_TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2023-11-14t22:13:20z", "1700000000", "2023-02-30T00:00:00Z"]
_NUMBERS = [0, -1, 1, 3.0, 0.5, -0.0, 2**31, 2**63, 10**400, -(10**400), 1e300, float("nan"), float("inf")]

TEXTS = (
    st.sampled_from([*_WORDS, *_NAMES, *_TIMES, "\x00\u202e\x1b[2J", '"\\\n', "\ud800"])
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(_LONG)
)
SCALARS = (
    st.sampled_from([None, True, False, *_NUMBERS, *_RAW]) | st.integers() | st.floats(allow_subnormal=True) | TEXTS
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=4
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def _objects(*keys: str) -> st.SearchStrategy[Any]:
    """Return a strategy for objects with some of the keys, whose values may be anything, and with others."""
    figures = st.integers(0, 5) | VALUES
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(keys, figures))
    return known | st.builds(lambda item, more: {**more, **item}, known, st.dictionaries(TEXTS, VALUES, max_size=2))


_DESTINATIONS = st.dictionaries(
    TEXTS, _objects("count", "completed", "failed", "in_progress", "status") | TEXTS | VALUES, max_size=4
)
_PHASES = st.lists(_objects("name", "mode", "total", "processed", "success", "error") | VALUES, max_size=4)
_STATS = _objects("created", "deleted", "merged")


@dataclass(frozen=True)
class Shape:
    """How a list of a system looks."""

    system: str
    collector: str
    path: str
    good: dict[str, Any] = field(repr=False)
    """A record, without its ID, that is read without a doubt."""
    fields: dict[str, st.SearchStrategy[Any]] = field(repr=False)
    """What else its fields may be, beside anything."""
    paging: dict[str, Any] = field(repr=False)

    def items(self) -> st.SearchStrategy[Any]:
        """Return a strategy for items that may be odd in every field, and for some that are no object."""
        fields = {name: st.just(value) | self.fields.get(name, VALUES) | VALUES for name, value in self.good.items()}
        ids = st.sampled_from(["odd_1", "odd_2", "odd_3"]) | VALUES
        return st.fixed_dictionaries({"id": ids}, optional=fields) | VALUES

    def body(self, items: Iterable[Any]) -> bytes:
        """Return the only page of a list of these items."""
        listed = list(items)
        key = "items" if self.system == "inkit" else "data"
        paging = json.loads(json.dumps(self.paging))
        if "pagination" in paging:
            paging["pagination"]["total_count"] = len(listed)
        text = json.dumps({key: listed, **paging})
        return re.sub(r'"@[a-z ]+@"', lambda found: _RAW.get(found[0].strip('"'), found[0]), text).encode()


_INKIT_PAGING = {"metadata": {"pagination": {"current_page": 1, "next_page": None, "page_count": 1}}}
_BATCH = {
    "created_at": "2023-11-14T22:13:20Z",
    "status": "Failed",
    "total": 2,
    "destinations": {"sepire": {"count": 2, "completed": 1, "failed": 1, "in_progress": 0, "status": "failed"}},
    "name": None,
}
SHAPES = (
    Shape("inkit", "document_batches", "/batch", _BATCH, {"destinations": _DESTINATIONS}, _INKIT_PAGING),
    Shape("inkit", "workflow_batches", "/invoke/batch", _BATCH, {"destinations": _DESTINATIONS}, _INKIT_PAGING),
    Shape(
        "inkit",
        "invocations",
        "/invoke",
        {
            "created_at": "2023-11-14T22:13:20Z",
            "status": "Failed",
            "destination_status": "Failed",
            "destinations": {"sepire": {"status": "Failed"}, "box": {"status": "Completed"}},
            "flow_name": "Letters",
            "flows_batch_id": None,
            "merge_parameters": {"a": 1},
        },
        {"destinations": _DESTINATIONS},
        _INKIT_PAGING,
    ),
    Shape(
        "packagex",
        "batches",
        "/batches",
        {
            "created_at": 1_700_000_000,
            "updated_at": 1_700_000_001,
            "status": "failed",
            "resource": "contact",
            "action": "merge",
            "mode": "mixed",
            "via": "file",
            "phases": [{"name": "validation", "total": 3, "processed": 3, "success": 1, "error": 2}],
            "stats": {"created": 1},
        },
        {"phases": _PHASES, "stats": _STATS},
        {"status": 200, "pagination": {"limit": 100, "page": 1, "has_more": False, "total_count": 1}},
    ),
)
