"""Read the body of an answer, in little memory."""

import hashlib
from dataclasses import dataclass

from exporter.client.decoding import as_text, decode
from exporter.client.request import JSON
from exporter.client.transport import Answer
from exporter.model.record import FetchError, Reason


@dataclass(slots=True)
class Digest:
    """A digest of the bytes of an answer, and the one that is known."""

    known: bytes
    found: bytes = b""

    def is_known(self, body: bytearray) -> bool:
        """Note the digest of a body. Return whether it is the known one."""
        self.found = hashlib.blake2b(body, digest_size=16).digest()
        return self.found == self.known


def json_of(answer: Answer) -> JSON:
    """Decode the body and clear it, so that bytes, text and values of a large one are not in memory together.

    Raises FetchError(malformed).
    """
    size = len(answer.body)
    try:
        text = as_text(answer.body)
        answer.body.clear()
        return decode(text)
    except ValueError:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        shown = kind if kind in ("text/html", "text/plain", "application/xml", "text/xml") else "its body"
        raise FetchError(Reason.MALFORMED, f"the answer is not JSON ({shown}, {size} bytes)", 200) from None
