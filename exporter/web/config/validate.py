"""Find the errors of a web configuration beyond its keys and types, which are in schema.py.

The rules look at the file's data, so that one run finds all errors, also beside wrong types. Errors that the
exporter-toolkit reports too have its words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, Place, nearest, shown
from exporter.web.config import go

TLS = "tls_server_config"
HTTP = "http_server_config"
HEADERS = (HTTP, "headers")
USERS = "basic_auth_users"
_SWITCHES = ("cert_file", "cert", "key_file", "key", "client_ca_file", "client_ca", "client_auth_type")
"""TLS is on if one of these is set."""
_HASH = re.compile(r"\$2[abxy]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MOST_LISTED = 6
"""The maximum number of names in a message."""
_MAKE_A_HASH = """make one with: htpasswd -nBC 10 "" | tr -d ':\\n'"""
_IN_A_HEADER = re.compile(r"[!-~\xa1-\xff](?:[ -~\xa0-\xff]*[!-~\xa1-\xff])?")


def findings(draft: Draft) -> Iterator[Finding]:
    """Yield all errors beyond keys and types."""
    yield from _certificate(draft)
    yield from _client_certificates(draft)
    yield from _versions(draft)
    yield from _ciphers(draft)
    yield from _choices(draft, (TLS, "curve_preferences"), "curve", go.CURVES)
    yield from _headers(draft)
    yield from _users(draft)
    text = draft.text("rate_limit", "interval")
    if text:
        try:
            go.duration(text)
        except ValueError as error:
            yield Finding(("rate_limit", "interval"), str(error))


def is_on(draft: Draft) -> bool:
    """Return whether TLS is on, by the toolkit's rule."""
    return any(draft.get(TLS, key) for key in _SWITCHES)


def _certificate(draft: Draft) -> Iterator[Finding]:
    for key, inline in (("cert_file", "cert"), ("key_file", "key")):
        wrong = {(TLS, key), (TLS, inline)} & draft.wrong
        if is_on(draft) and not wrong and not draft.get(TLS, key) and not draft.get(TLS, inline):
            yield Finding((TLS,), f"missing one of {inline} or {key}")


def _client_certificates(draft: Draft) -> Iterator[Finding]:
    place = (TLS, "client_auth_type")
    kind = draft.text(*place) or go.NO_CLIENT_CERTIFICATE
    if kind in go.UNVERIFIED_CERTIFICATES:
        yield Finding(place, f"{kind} is not supported: use RequireAndVerifyClientCert, and client_ca_file")
    elif kind not in go.CLIENT_CERTIFICATES:
        yield Finding(place, f'invalid ClientAuth: "{shown(kind)}"{_choice(kind, go.CLIENT_CERTIFICATES)}')
    elif kind == "RequestClientCert" and draft.get(TLS, "client_allowed_sans") is not None:
        message = "is not supported with RequestClientCert: use VerifyClientCertIfGiven, and client_ca_file"
        yield Finding((TLS, "client_allowed_sans"), message)
    for key in ("client_ca_file", "client_ca"):
        if draft.get(TLS, key) and kind == go.NO_CLIENT_CERTIFICATE and place not in draft.wrong:
            yield Finding((TLS, key), "client CA's have been configured without a Client Auth Policy: client_auth_type")


def _versions(draft: Draft) -> Iterator[Finding]:
    known = (*go.OLD_VERSIONS, *go.VERSIONS)
    least, most = (draft.text(TLS, key) for key in ("min_version", "max_version"))
    for key, version in (("min_version", least), ("max_version", most)):
        if version and version not in known:
            yield Finding((TLS, key), f'unknown TLS version "{shown(version)}"{_choice(version, known)}')
    if most in go.OLD_VERSIONS:
        yield Finding((TLS, "max_version"), f"{most} is not supported: OpenSSL has disabled it; use TLS12 or TLS13")
    elif (least, most) == ("TLS13", "TLS12"):
        yield Finding((TLS, "max_version"), "must not be below min_version: nobody could connect")


def _ciphers(draft: Draft) -> Iterator[Finding]:
    place = (TLS, "cipher_suites")
    yield from _choices(draft, place, "cipher", (*go.CIPHERS, *go.CIPHERS_OF_TLS13))
    given = [draft.text(*place, index) for index in draft.indexes(*place)]
    if given and set(given) <= set(go.CIPHERS_OF_TLS13) and draft.text(TLS, "max_version") == "TLS12":
        yield Finding(place, "has no cipher suite for TLS 1.2, which is all that max_version allows")


def _choices(draft: Draft, place: Place, what: str, known: Iterable[str]) -> Iterator[Finding]:
    for index in draft.indexes(*place):
        name = draft.text(*place, index)
        if name is not None and name not in known:
            yield Finding((*place, index), f'unknown {what} "{shown(name)}"{_choice(name, known)}')


def _headers(draft: Draft) -> Iterator[Finding]:
    for header in draft.keys(*HEADERS):
        place = (*HEADERS, header)
        value = draft.text(*place)
        if header not in go.HEADERS:
            yield Finding(place, f"this HTTP header can not be configured{_choice(header, go.HEADERS)}")
        elif value is not None and go.HEADERS[header] and value not in go.HEADERS[header]:
            yield Finding(place, f"invalid value; expected one of: {', '.join(go.HEADERS[header])}")
        elif value and not _IN_A_HEADER.fullmatch(value):
            yield Finding(place, "has a line break, a space at an end or another character that no header can carry")


def _users(draft: Draft) -> Iterator[Finding]:
    users = draft.get(USERS)
    for user, password_hash in users.items() if isinstance(users, Mapping) else ():
        if (USERS, user) not in draft.wrong and not (isinstance(password_hash, str) and _HASH.fullmatch(password_hash)):
            yield Finding((USERS, user), f"is not a bcrypt hash; {_MAKE_A_HASH}")


def _choice(word: str, known: Iterable[str]) -> str:
    words = list(known)
    listed = (
        f"; expected one of: {', '.join(words)}"
        if len(words) <= _MOST_LISTED
        else "; docs/web-configuration.md lists them"
    )
    return nearest(word, words) or listed
