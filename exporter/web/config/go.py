"""What the format has from Go: the names of crypto/tls, with what they are in OpenSSL, and durations.

Sources: https://pkg.go.dev/crypto/tls#pkg-constants and https://pkg.go.dev/time#ParseDuration. Of the
cipher suites only those of `CipherSuites` are allowed.
"""

import re
import ssl
from collections.abc import Iterable

CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""The cipher suites of TLS 1.2 and before."""
CIPHERS_OF_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""These may be listed, but TLS 1.3 always has all of them, as in Go."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
OLD_VERSIONS = ("TLS10", "TLS11")
"""OpenSSL does not offer these at its default security level."""
NO_CLIENT_CERTIFICATE = "NoClientCert"
CLIENT_CERTIFICATES = {
    NO_CLIENT_CERTIFICATE: ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
UNVERIFIED_CERTIFICATES = ("RequireAnyClientCert", "RequireClientCert")
"""Certificates that are not verified: Python's ssl can't require one without verifying it."""
HEADERS: dict[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The headers that may be set, and the values that each may have; () allows any."""
NANOSECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)
"""A duration without a unit, which the toolkit takes for nanoseconds."""
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_LONGEST_DURATION = 40


def duration(text: str) -> float:
    """Return the seconds of a duration such as 1s, 1m30s or 1.5h. Raises ValueError with a message without the text."""
    if NANOSECONDS.fullmatch(text):
        return int(text) * 1e-9
    if text.startswith("-"):
        raise ValueError("must not be negative")
    parts = _PART.findall(text) if len(text) <= _LONGEST_DURATION else []
    if not parts or "".join(map("".join, parts)) != text.removeprefix("+"):
        raise ValueError("must be a duration such as 100ms, 1s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def offered(curves: Iterable[str]) -> str | None:
    """Return the first of these curves that this machine's Python can offer alone, or None if there is none."""
    return next((curve for curve in curves if _can_be_offered(CURVES[curve])), None)


def _can_be_offered(curve: str) -> bool:
    """Try it: the ssl module up to Python 3.11.2 refuses X25519, and a hardened OpenSSL may refuse others."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(curve)
    except (ssl.SSLError, ValueError):
        return False
    return True
