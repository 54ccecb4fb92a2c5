"""Find the settings of a usable web configuration that are not supported or have no effect.

No setting is ignored silently: one that is not applied is an error (validate.py) or a warning.
"""

from collections.abc import Iterator

from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding
from exporter.web.config import go
from exporter.web.config.validate import HTTP, TLS, USERS, is_on

_INSTEAD = (("cert_file", "cert"), ("key_file", "key"), ("client_ca_file", "client_ca"))


def warnings(draft: Draft) -> Iterator[Finding]:
    """Yield the warnings about a file without errors."""
    yield from _tls(draft) if is_on(draft) else _tls_is_off(draft)
    if draft.get(HTTP, "http2"):
        yield Finding((HTTP, "http2"), "HTTP/2 is not supported: clients are answered in HTTP/1.1")
    for user in draft.keys(USERS):
        if ":" in user:
            yield Finding(
                (USERS, user), "nobody can log in with this name: in basic authentication it ends at the colon"
            )
    yield from _rate_limit(draft)


def _tls_is_off(draft: Draft) -> Iterator[Finding]:
    for key in draft.keys(TLS):
        yield Finding((TLS, key), "has no effect: without cert_file and key_file TLS is off")


def _tls(draft: Draft) -> Iterator[Finding]:
    for file, inline in _INSTEAD:
        if draft.get(TLS, file) and draft.get(TLS, inline):
            yield Finding((TLS, inline), f"has no effect beside {file}")
    kind = draft.text(TLS, "client_auth_type") or go.NO_CLIENT_CERTIFICATE
    if kind == "RequestClientCert":
        message = "clients are not asked for a certificate: one that is not verified would prove nothing"
        yield Finding((TLS, "client_auth_type"), message)
    if kind == go.NO_CLIENT_CERTIFICATE and draft.get(TLS, "client_allowed_sans") is not None:
        yield Finding((TLS, "client_allowed_sans"), "has no effect without a client_auth_type")
    if draft.text(TLS, "min_version") in go.OLD_VERSIONS:
        yield Finding((TLS, "min_version"), "OpenSSL has disabled what is below TLS12: TLS12 is used")
    curves = draft.get(TLS, "curve_preferences")
    if isinstance(curves, list) and curves:
        yield from _curves(curves)


def _curves(curves: list[str]) -> Iterator[Finding]:
    offered = go.offered(curves)
    if offered is None:
        message = f"this machine's Python can't offer {' or '.join(curves)} alone: OpenSSL's own list is offered"
        yield Finding((TLS, "curve_preferences"), message)
    elif len(curves) > 1:
        rank = "the first" if offered == curves[0] else "the first that this machine's Python can offer alone"
        yield Finding((TLS, "curve_preferences"), f"only one curve can be offered: {offered}, {rank}")


def _rate_limit(draft: Draft) -> Iterator[Finding]:
    place = ("rate_limit", "interval")
    text = draft.text(*place) or "0"
    if go.duration(text) == 0:
        if draft.get("rate_limit", "burst"):
            yield Finding(("rate_limit", "burst"), "has no effect without an interval")
        return
    if go.NANOSECONDS.fullmatch(text):
        yield Finding(place, f"is read as {text} nanoseconds; write a unit, such as 1s")
    if not draft.get("rate_limit", "burst"):
        yield Finding(place, "refuses every request, as burst is 0")
