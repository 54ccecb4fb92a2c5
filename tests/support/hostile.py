"""Servers and proxies that put into their answers what they know: the token they were sent, and marks of their own.

Each kind is one answer, as bytes; what the exporter makes of them is not known here.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping

from tests.support.canaries import canary

Kind = Callable[[str, str], bytes]
"""From the token it is asked with and a mark to what it answers."""


def http(status: str, body: str | bytes, *headers: str) -> bytes:
    """Return a response with a length and these headers."""
    content = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


def _envelope(token: str, mark: str, status: int) -> str:
    """Return an error response of PackageX that contains everything, in words that may be shown in part."""
    return json.dumps(
        {
            "message": f"the key {token} of {mark}@example.com is wrong: https://{mark}.example/?key={token}",
            "code": f"bad_{token}",
            "status": status,
            "errors": [token, {"value": mark}],
            "data": None,
            "endpoint": f"/v1/batches?{mark}={token}",
            "pagination": None,
        }
    )


_LEAKING = "X-Leak: {mark} {token}\r\nSet-Cookie: {mark}={token}\r\nWWW-Authenticate: {mark} realm={token}"

KINDS: Mapping[str, Kind] = {
    "packagex-401": lambda token, mark: http("401 Unauthorized", _envelope(token, mark, 401)),
    "packagex-200-that-is-403": lambda token, mark: http("200 OK", _envelope(token, mark, 403)),
    "inkit-401": lambda token, mark: http("401 Unauthorized", json.dumps({"message": f"{mark} {token}"})),
    "redirect": lambda token, mark: http("302 Found", mark + token, f"Location: https://{mark}.example/?token={token}"),
    "page": lambda token, mark: http("200 OK", f"<h1>{mark} {token}</h1>", "Content-Type: text/html"),
    "page-of-a-gateway": lambda token, mark: http("502 Bad Gateway", f"<h1>{mark} {token}</h1>"),
    "reason-phrase": lambda token, mark: http(f"403 {mark} {token}", "{}"),
    "headers": lambda token, mark: http("403 Forbidden", "{}", _LEAKING.format(token=token, mark=mark)),
    "type-of-content": lambda token, mark: http("200 OK", "?", f"Content-Type: {mark}/{token}"),
    "retry-after": lambda token, mark: http("429 Too Many Requests", mark, f"Retry-After: {mark} {token}"),
    "half-a-json": lambda token, mark: http("200 OK", f'{{"items": [{{"{mark}": "{token}'),
    "other-json": lambda token, mark: http("200 OK", json.dumps({"items": mark, "data": token})),
    "rows-that-are-none": lambda token, mark: http("200 OK", json.dumps({"items": [mark, token, {mark: token}]})),
    "deep-json": lambda token, mark: http("200 OK", f'["{mark}{token}",' * 50_000),
    "large-number": lambda token, mark: http("200 OK", f'{{"{mark}{token}": {"9" * 9_999}}}'),
    "no-text": lambda token, mark: http("200 OK", b"\xff" + f"{mark}{token}".encode()),
    "no-gzip": lambda token, mark: http("200 OK", f"{mark}{token}", "Content-Encoding: gzip"),
    "half-a-gzip": lambda token, mark: http("200 OK", gzip.compress(mark.encode(), 0)[:-8], "Content-Encoding: gzip"),
    "half-a-body": lambda token, mark: f"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{mark} {token}".encode(),
    "no-length": lambda token, mark: http("200 OK", "{}", f"Content-Length: {mark}{token}"),
    "no-chunk": lambda token, mark: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{mark} {token}\r\n".encode(),
    "no-header": lambda token, mark: f"HTTP/1.1 200 OK\r\n{mark} {token}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "no-http": lambda token, mark: f"{mark} {token}\r\n\r\n".encode(),
    "no-status": lambda token, mark: f"HTTP/1.1 {mark} {token}\r\n\r\n".encode(),
}
"""By their names. Those whose name begins with `packagex` answer as PackageX, the others as Inkit."""


def proxy_refusal(user: str, password: str, mark: str) -> bytes:
    """Return the refusal of a proxy that quotes the password it was sent, in Base64 and in plain text."""
    given = base64.b64encode(f"{user}:{password}".encode()).decode()
    return http(f"407 {mark} {password}", f"{mark}: {password} {given}", f"Proxy-Authenticate: Basic realm={password}")


def answer(kind: str) -> bytes:
    """Return the response of a server of this kind."""
    return KINDS[kind](canary(f"token.{kind}"), canary(f"server.{kind}"))
