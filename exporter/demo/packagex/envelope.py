"""The envelope of every response of PackageX's API.

Source: "Requests & Responses" of the vendor's API reference. It gives no example: which words stand in `message` and
`code`, and the form of `errors`, are invented.
"""

from collections.abc import Mapping, Sequence

from exporter.demo.http_types import PHRASES, Answer
from exporter.demo.items import Item
from exporter.demo.memory_store import compact

_NULL = b"null"


def enveloped(path: str, data: bytes, pagination: Item | None = None) -> Answer:
    """Return a success; `data` is JSON, `path` is the requested path with its base."""
    return _answer(200, path, "Success", data, pagination=pagination)


def refused(
    status: int,
    path: str,
    message: str,
    *,
    errors: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return an error without data; `code` is the status in words."""
    return _answer(status, path, message, _NULL, errors=errors, headers=headers)


def _answer(
    status: int,
    path: str,
    message: str,
    data: bytes,
    *,
    pagination: Item | None = None,
    errors: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> Answer:
    before = {"message": message}
    after = {
        "status": status,
        "errors": list(errors),
        "code": None if status < 400 else PHRASES[status].lower().replace(" ", "_"),
        "pagination": pagination,
        "endpoint": path,
    }
    # The data is joined as text: it is text already, and may be long.
    body = b'%b,"data":%b,%b' % (compact(before)[:-1], data, compact(after)[1:])
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})
