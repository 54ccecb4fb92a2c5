"""What the APIs answer: lists, single records, error responses and errors files."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import chain

from exporter.cli.inspect.result import Result
from exporter.cli.inspect.row_errors import summary
from exporter.cli.inspect.text import text
from exporter.client import JSON
from exporter.client.decoding import decode
from exporter.client.error_response import redacted
from exporter.model.record import FetchError
from exporter.systems import sources
from exporter.systems.base import Options, Page
from tests.fuzz.mutators import BYTES, json_values, lines, spliced, words
from tests.fuzz.target import Target, readable
from tests.support.canaries import errors_file
from tests.support.odd import SHAPES, Shape

_JSON = words(
    *(
        '"',
        "\\",
        "\\ud800",
        "\\u0000",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "NaN",
        "-Infinity",
        "1e999",
        "-",
        "0.",
        "\ufeff",
    ),
    *(
        '"id"',
        '"status"',
        '"created_at"',
        '"destinations"',
        '"phases"',
        '"pagination"',
        '"next_page": null',
        '"total_count": 0',
    ),
    *("/*", "//", "'", b"\xff\xfe", b"\x00[\x00", b"\xed\xa0\x80"),
)
_MUTATORS = (*BYTES, json_values, json_values, json_values, json_values, _JSON, lines(b","))
_LONGEST_LABEL = 200


def _list(shape: Shape) -> Callable[[], AbstractContextManager[Target]]:
    source = sources()[shape.system]
    listing = source.listing(shape.collector, Options(workflow_label=True))
    prefix = next(prefix for prefix, collector in source.details.prefixes.items() if collector == shape.collector)
    record_id = f"{prefix}odd"

    def check(data: bytes) -> None:
        try:
            answer = decode(data)
        except ValueError:
            return
        error = source.refused(answer)
        if error is not None:
            assert redacted(error.words, "token").isprintable()
        for read in (listing.read_page, listing.read_by_id):
            try:
                _page(read(answer), listing.rejections, listing.optional)
            except FetchError as refusal:
                readable(refusal)
        # A page's first record stands for the answer by its ID, too.
        for found in (answer, _first(answer)):
            _show(shape, record_id, found)

    good = [{"id": record_id, **shape.good}, {"id": "odd_2", **shape.good, "status": "In Progress"}]
    single = good[0] if shape.system == "inkit" else {"data": good[0], "status": 200}
    refusal = {"status": 403, "code": "bad", "message": "see https://x.example/?key=1", "errors": [1], "data": None}
    seeds = (shape.body(good), shape.body([]), json.dumps(single).encode(), json.dumps(refusal).encode())
    name = f"{shape.system}-{shape.collector}".replace("_", "-")

    @contextmanager
    def opened() -> Iterator[Target]:
        yield Target(name, check, seeds, (*_MUTATORS, spliced(seeds)))

    return opened


def _show(shape: Shape, record_id: str, answer: JSON) -> None:
    """Show the record that an answer has, as `inspect` does."""
    try:
        detail = sources()[shape.system].details.read(shape.collector, record_id, answer)
    except FetchError as refusal:
        readable(refusal)
        return
    if detail is None:
        return
    for show_data in (False, True):
        result = Result("prod", shape.system, shape.collector, detail, in_flight=True)
        assert text(result, 1_700_000_000.0, show_data).replace("\n", "").isprintable()
        json.dumps(result.document(show_data))


def _first(answer: JSON) -> JSON:
    items = answer.get("items") or answer.get("data") if isinstance(answer, dict) else None
    return items[0] if isinstance(items, list) and items else {}


def _page(page: Page, rejections: tuple[str, ...], optional: tuple[str, ...]) -> None:
    assert len(page.records) + sum(page.rejected.values()) == page.rows
    assert set(page.rejected) <= set(rejections)
    for count in (page.pages, page.total, page.size):
        assert count is None or (isinstance(count, int) and 0 <= count < 2**63)
    for record in page.records:
        assert set(record.unknown) <= set(optional)
        assert 0 < record.created_at < 1e12
        assert record.finished_at is None or 0 < record.finished_at < 1e12
        assert 0 < len(record.contributions) < 5_000
        assert all(0 < amount < 2**53 for amount in record.contributions.values())
        labels = [*chain(*record.contributions), record.id, record.batch_id or ""]
        assert all(len(label) <= _LONGEST_LABEL and label.isprintable() for label in labels), labels


def _decoding(data: bytes) -> None:
    try:
        found = decode(data)
    except ValueError:
        found = None
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(plain, (dict, list)):
        assert repr(found) == repr(plain)
    else:
        assert found is None


def _errors_file(data: bytes) -> None:
    source = sources()["packagex"]
    for name in source.details.errors_files:
        for show_data in (False, True):
            try:
                found = summary(source.details.row_errors(name, data), show_data)
            except FetchError as error:
                readable(error)
                continue
            assert found.rows >= len(found.kinds) or show_data or found.kinds
            assert sum(rows for _, rows in found.kinds) >= (1 if found.rows else 0)


_ROWS = (
    errors_file(),
    b'{"errors": [{"row": 1, "errors": [{"field": "email", "message": "\\"a@b\\" is not valid", "code": "E1"}]}]}',
    b"row,email,Error Message\n1,a@example.com,\"'a@example.com' is not valid\"\n2,,missing\n",
)


def _simple(name: str, check: Callable[[bytes], None], *seeds: bytes) -> Callable[[], AbstractContextManager[Target]]:
    @contextmanager
    def opened() -> Iterator[Target]:
        yield Target(name, check, seeds, (*_MUTATORS, lines(b"\n"), spliced(seeds)))

    return opened


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {
    **{f"{shape.system}-{shape.collector}".replace("_", "-"): _list(shape) for shape in SHAPES},
    "json": _simple("json", _decoding, *(shape.body([{"id": "odd_1", **shape.good}]) for shape in SHAPES)),
    "errors-file": _simple("errors-file", _errors_file, *_ROWS),
}
