"""The contents of a batch's files, made of the batch. files.py serves them. Pure.

The formats are documented nowhere: all of them are invented, and so are the people. The same batch has the same rows.
"""

import csv
import io
import json
import random
from collections.abc import Sequence

from exporter.demo.items import Item

_PEOPLE = ("Alex Sample", "Robin Example", "Kim Placeholder", "Sam Specimen", "Jo Nobody")
_ERRORS = {
    "email": ("invalid_email", "'{value}' is not an email address"),
    "phone": ("invalid_phone", "'{value}' is not a phone number"),
    "name": ("duplicate", "'{value}' is in the file more than once"),
    "tracking_number": ("unknown_carrier", "no carrier is known for '{value}'"),
    "recipient": ("recipient_not_found", "there is no contact '{value}'"),
}
"""A possible error of each field: a code and a message. Like real ones, messages quote the value."""

Row = dict[str, str | int]


def upload(batch: Item) -> list[Row]:
    """Return the rows that were uploaded."""
    return [_row(batch, number) for number in range(1, _count(batch) + 1)]


def errors(batch: Item) -> list[Row]:
    """Return row number (from 1), field, code and message of each item that failed, in the order of the rows."""
    count, failed = _count(batch), error_count(batch)
    rng = random.Random(batch["id"])
    found: list[Row] = []
    for number in sorted(rng.sample(range(1, count + 1), min(failed, count))):
        uploaded = _row(batch, number)
        name = rng.choice(list(uploaded))
        code, message = _ERRORS[name]
        found.append({"row": number, "field": name, "code": code, "message": message.format(value=uploaded[name])})
    return found


def result(batch: Item) -> list[Row]:
    """Return the status of each row."""
    failed = {row["row"] for row in errors(batch)}
    return [
        {"row": number, "status": "error" if number in failed else "success"} for number in range(1, _count(batch) + 1)
    ]


def error_count(batch: Item) -> int:
    """Return how many items failed in all phases: an item that fails is not in the next phase."""
    return sum(phase["error"] for phase in batch["phases"])


def as_json(rows: Sequence[Row]) -> bytes:
    return json.dumps(rows, indent=2).encode()


def as_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _count(batch: Item) -> int:
    return max((phase["total"] for phase in batch["phases"]), default=0)


def _row(batch: Item, number: int) -> Row:
    name = _PEOPLE[number % len(_PEOPLE)]
    if batch["resource"] in ("shipment", "tracker"):
        return {"tracking_number": f"EXAMPLE{number:06}", "recipient": name}
    mail = f"{name.lower().replace(' ', '.')}.{number}@example.com"
    return {"name": f"{name} {number}", "email": mail, "phone": f"+1-555-0100-{number}"}
