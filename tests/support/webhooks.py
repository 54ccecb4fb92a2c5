"""Send webhooks as Inkit does."""

import hashlib
import hmac
import urllib.error
import urllib.request

from tests.support.patience import GENEROUS

BODY = b'{"event_type": "DOCUMENT_CREATE_FAILED", "resource_id": "rb_CANARY"}'
KEY = b"CANARY-secret"


def sign(body: bytes = BODY, key: bytes = KEY) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def post(url: str, path: str, key: bytes = KEY) -> int:
    """Send a webhook, and return the status of the answer."""
    request = urllib.request.Request(f"{url}{path}", BODY, {"Inkit-Signature": sign(key=key)})
    try:
        with urllib.request.urlopen(request, timeout=GENEROUS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
