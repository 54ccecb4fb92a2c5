"""Marks for what must not get out, a search for them in whatever came out, and records that are full of them.

What a failing server sends is in hostile.py; which output may show what is decided in test_leaks.py.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterable

from exporter.demo.items import Item, document_batch, generations, invocation, workflow_batch
from exporter.demo.packagex.items import packagex_batch, phase

_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def canary(name: str) -> str:
    """Return a word that is nowhere else, the same one for the same name.

    It has only small letters, and few of them: no rule that looks for numbers, for quotations or for long keys removes
    it by chance, and no escaping and no change of case hides it.
    """
    return "qz" + hashlib.sha256(name.encode()).hexdigest()[:12].translate(_LETTERS)


def holds(content: bytes, name: str) -> bool:
    """Return whether the content has the canary, in any case, or as Base64 or hexadecimal digits.

    Base64 is what `Authorization: Basic` has.
    """
    mark = canary(name).encode()
    return (
        mark in content.lower()
        or mark.hex().encode() in content.lower()
        or any(form in content for form in _base64(mark))
    )


def _base64(mark: bytes) -> list[bytes]:
    """Return the parts of its three encodings, one for each position in a text, that don't depend on the rest."""
    found = []
    for before in range(3):
        whole = base64.b64encode(b"." * before + mark)
        found.append(whole[-(-8 * before // 6) : 8 * (before + len(mark)) // 6])
    return found


def invocations(more: Iterable[str] = ()) -> list[Item]:
    """Return Inkit's invocations, with a mark in every field of text that is no status, ID or destination.

    `more` are the IDs of others that look like the first.
    """
    whole = invocation("rend_1", time.time(), destinations={"inkit_storage": "Completed", "sepire": "Failed"})
    whole |= _marked(
        "invocation", "description", "flow_id", "flow_name", "flow_created_at", "template_id", "name", "new"
    )
    whole["template_version"] = canary("invocation.template_version")
    merged = {canary("merge_parameters.key"): [{"name": canary("merge_parameters.value")}]}
    whole["merge_parameters"] = merged
    for name, destination in whole["destinations"].items():
        destination |= {key: canary(f"destination.{name}.piece") for key in destination if key.endswith("_id")}
        destination["new"] = canary("destination.new")
    whole["destinations"]["inkit_storage"]["name"] = canary("destination.name")
    broken = _broken("invocation", whole, "id", "created_at", "flows_batch_id", "destinations")
    text = {**whole, "id": "rend_text", "merge_parameters": canary("merge_parameters.text")}
    return [whole, *broken, text, *({**whole, "id": record_id} for record_id in more)]


def batches(kind: str) -> list[Item]:
    """Return Inkit's batches with such marks: `document` or `workflow`."""
    made = {"document": ("rb_1", document_batch), "workflow": ("fb_1", workflow_batch)}[kind]
    whole = made[1](made[0], time.time(), destinations={"sepire": generations(3, 2, 1)})
    whole |= _marked(f"{kind}_batch", "name", "new")
    whole["destinations"]["sepire"]["new"] = canary("destination.new")
    return [whole, *_broken(f"{kind}_batch", whole, "id", "created_at", "total", "destinations")]


def packagex_batches() -> list[Item]:
    """Return PackageX's batches with such marks."""
    whole = packagex_batch("batch_1", time.time(), status="failed", phases=[phase("processing", 3, 1, 2)])
    whole |= _marked("packagex", "object", "organization_id", "duplicate_handling", "updated_by", "checksum", "new")
    content = canary("packagex.reason")
    quoted, address = canary("packagex.reason.quoted"), canary("packagex.reason.address")
    whole["reason"] = f"{content}: '{quoted}' and {address}@example.com, see https://{address}.example/{address}"
    whole["phases"][0]["new"] = canary("packagex.phases.new")
    return [whole, *_broken("packagex", whole, "id", "created_at", "updated_at", "phases", "stats")]


def errors_file() -> bytes:
    """Return an errors file, with marks in what it may say of rows."""
    people = {name: canary(f"errors.{name}") for name in ("name", "email", "quoted", "row")}
    mail = f"{people['email']}@example.com"
    content = f"'{people['quoted']}' is none, nor is {mail} of {people['row']}"
    return json.dumps(
        [{"row": 1, "field": "name", "message": content, "data": [people["row"], mail, people["name"]]}]
    ).encode()


def inkit_list(found: list[Item]) -> bytes:
    """Return the response of an Inkit list, with marks around the records too."""
    pagination: Item = {"current_page": 1, "next_page": None, "page_count": 1, "page_size": 100, "prev_page": None}
    pagination |= {"total_count": len(found), "new": canary("list.pagination")}
    metadata = {"pagination": pagination, "sort": {"key": canary("list.sort"), "order": 1}}
    return json.dumps({"items": found, "metadata": metadata, "new": canary("list.new")}).encode()


def packagex_answer(data: object) -> bytes:
    """Return a response of PackageX that is no error, with marks in its envelope."""
    envelope = {name: canary(f"envelope.{name}") for name in ("message", "code", "endpoint")}
    pagination = {"limit": 100, "page": 1, "has_more": False, "total_count": 6, "new": canary("envelope.pagination")}
    return json.dumps({**envelope, "data": data, "status": 200, "errors": [], "pagination": pagination}).encode()


def _marked(of: str, *fields: str) -> dict[str, str]:
    return {field: canary(f"{of}.{field}") for field in fields}


def _broken(of: str, whole: Item, *fields: str) -> list[Item]:
    """Return the record once for each field, with text there that is not valid in it."""
    return [{**whole, "id": f"{whole['id']}_{field}", field: f"{canary(f'broken.{of}')} ?"} for field in fields]
