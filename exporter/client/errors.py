"""Turn errors of the HTTP libraries into FetchErrors."""

import http.client
import ssl

import requests
import urllib3

from exporter.model.record import FetchError, Reason


def fetch_error(error: Exception, expired: bool, timeout: float) -> FetchError:
    """Return a FetchError with a reason. The library's text is not used: it may hold the URL or a proxy's password."""
    causes = _causes(error)
    if expired or any(_is_timeout(cause) for cause in causes):
        return FetchError(Reason.TIMEOUT, f"no complete answer within {timeout:g} seconds")
    if any(isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) for cause in causes):
        # Servers that restart, and load balancers that shed load, do that. It says nothing about certificates.
        return FetchError(Reason.TLS, "the server closed the connection in the TLS handshake", passing=True)
    if any(isinstance(cause, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)) for cause in causes):
        return FetchError(Reason.TLS, "the TLS handshake failed: " + _tls_message(causes))
    if any(isinstance(cause, requests.exceptions.ProxyError) for cause in causes):
        return FetchError(Reason.CONNECTION, "the proxy could not be used (see proxy_url)")
    if any(
        isinstance(cause, (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError))
        for cause in causes
    ):
        return FetchError(Reason.MALFORMED, "the answer could not be decompressed")
    if any(isinstance(cause, urllib3.exceptions.IncompleteRead) for cause in causes):
        return FetchError(Reason.CONNECTION, "the answer ended early")
    return FetchError(Reason.CONNECTION, "no connection, or it was lost: " + _os_message(causes))


def no_thread() -> FetchError:
    """Return the error for a request that the system has no thread for: the limit of its processes is reached."""
    return FetchError(Reason.CONNECTION, "no thread can be had to make the request in")


def _is_timeout(cause: BaseException) -> bool:
    # urllib3 derives "connection refused" from its timeouts.
    refused = isinstance(cause, urllib3.exceptions.NewConnectionError)
    return not refused and isinstance(cause, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError))


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and those wrapped in it, outermost first: requests wraps urllib3, which wraps the system's."""
    found: list[BaseException] = []
    left: list[object] = [error]
    while left and len(found) < 20:
        cause = left.pop(0)
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            left += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
    return found


def _tls_message(causes: list[BaseException]) -> str:
    for cause in causes:
        message = getattr(cause, "verify_message", None)
        if isinstance(message, str):
            return message
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and cause.reason:
            # A constant of OpenSSL, such as WRONG_VERSION_NUMBER.
            return f"{cause.reason.replace('_', ' ').lower()} (see tls_config)"
    return "see tls_config"


def _os_message(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and isinstance(cause.strerror, str):
            return cause.strerror
    if any(isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError) for cause in causes):
        return "the answer is not valid HTTP"
    return "the server closed the connection" if any("closed" in str(cause) for cause in causes) else "no answer"
