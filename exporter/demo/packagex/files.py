"""The files of batches: presigned URLs, and the object store behind them. Their contents are in contents.py.

Source: "Retrieve Batch Files" of the vendor's API reference: presigned URLs. Their form is that of the usual object
stores, and so are the errors, which are XML. The signature is our own.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple
from urllib.parse import urlencode

from exporter.demo.faults import ListFaults
from exporter.demo.http_types import Answer, Request
from exporter.demo.items import Item
from exporter.demo.packagex import contents
from exporter.demo.packagex.batches import Batches, Saved

VALID_SECONDS = 900
_BASE = "/files"
_KEY = b"it signs what is invented"
_ACCESS_HEADERS = ("px-api-key", "x-api-key", "authorization")
_DATE = "%Y%m%dT%H%M%SZ"


class _File(NamedTuple):
    name: str
    """The last segment of its path."""
    rows: Callable[[Item], list[contents.Row]]
    saved: Saved | None
    """What the batch must have saved for the file to exist."""


FILES: Mapping[str, _File] = {
    "upload_csv": _File("upload.csv", contents.upload, "upload"),
    "upload_json": _File("upload.json", contents.upload, "upload"),
    "errors_csv": _File("errors.csv", contents.errors, None),
    "errors_json": _File("errors.json", contents.errors, None),
    "result_json": _File("result.json", contents.result, "result"),
}
"""The files by their names in the reference: `include_<name>` requests one, and `_<name>_url` is its URL."""


def links(batch: Item, saved: Collection[Saved], host: str, now: float) -> dict[str, str]:
    """Return the presigned URLs of a batch's files.

    The reference says that upload and result files exist if the batch was created with the option to save them.
    Assumed beyond it: a result exists when the batch is completed, errors exist if an item failed, and a missing
    file has no URL.
    """
    found = {}
    for key, file in FILES.items():
        if _exists(file, batch, saved):
            path = f"/{batch['id']}/{file.name}"
            found[key] = f"http://{host}{_BASE}{path}?{urlencode(_signed(path, now))}"
    return found


@dataclass(frozen=True, slots=True)
class FileStore:
    """The host of the presigned URLs. It refuses requests with a token."""

    base: ClassVar[str] = _BASE
    batches: Batches

    def answer(self, request: Request, list_faults: ListFaults) -> Answer | None:
        del list_faults  # They concern lists.
        if request.method != "GET":
            return _error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        if any(name in request.headers for name in _ACCESS_HEADERS):
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed: the signature is in the URL.")
        wrong = _refusal(request, self.batches.clock())
        if wrong is not None:
            return wrong
        return self._file(request.path) or _error(404, "NoSuchKey", "The specified key does not exist.")

    def _file(self, path: str) -> Answer | None:
        batch_id, _, name = path.removeprefix("/").partition("/")
        batch, saved = self.batches.get(batch_id), self.batches.saved(batch_id)
        file = next((file for file in FILES.values() if file.name == name), None)
        if batch is None or file is None or not _exists(file, batch, saved):
            return None
        rows = file.rows(batch)
        if name.endswith(".csv"):
            return Answer(200, contents.as_csv(rows), {"Content-Type": "text/csv; charset=utf-8"})
        return Answer(200, contents.as_json(rows))


def _exists(file: _File, batch: Item, saved: Collection[Saved]) -> bool:
    if file.saved is None:
        return contents.error_count(batch) > 0
    return file.saved in saved and (file.saved == "upload" or batch["status"] == "completed")


def _signed(path: str, now: float, valid: int = VALID_SECONDS) -> dict[str, str]:
    """Return the query that signs a URL."""
    date = datetime.fromtimestamp(now, UTC).strftime(_DATE)
    text = f"{path} {date} {valid}".encode()
    return {
        "X-Amz-Date": date,
        "X-Amz-Expires": str(valid),
        "X-Amz-Signature": hmac.new(_KEY, text, hashlib.sha256).hexdigest(),
    }


def _refusal(request: Request, now: float) -> Answer | None:
    """Return the error for a request with an invalid signature; None if it is valid."""
    try:
        began = datetime.strptime(request.params["X-Amz-Date"], _DATE).replace(tzinfo=UTC).timestamp()
        valid = int(request.params["X-Amz-Expires"])
        given = request.params["X-Amz-Signature"]
    except (KeyError, ValueError):
        return _error(403, "AccessDenied", "Access Denied")
    if not hmac.compare_digest(given.encode(), _signed(request.path, began, valid)["X-Amz-Signature"].encode()):
        return _error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    return _error(403, "AccessDenied", "Request has expired") if now > began + valid else None


def _error(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})
