"""A server with TLS, and clients that do."""

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

from exporter.web.server.connection import Limits
from tests.support import certificates
from tests.support.patience import GENEROUS
from tests.support.serving import PATIENT, Place, Program, connect, serving

TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"


@contextlib.contextmanager
def secured(
    folder: Path, content: str = TLS, limits: Limits = PATIENT, program: Program | None = None
) -> Iterator[Place]:
    file = folder / "web.yml"
    file.write_text(content)
    with serving(program or Program(), limits, web=file) as place:
        yield place


@contextlib.contextmanager
def shaken(place: Place, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Yield a client after its handshake, for which an end that an attacker could cause is an error."""
    with (
        connect(place) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client,
    ):
        yield client


def is_cut_off(client: ssl.SSLSocket) -> bool:
    """Return whether the connection ends without a byte.

    Python 3.11.2 reports that as an end, newer versions as an error.
    """
    try:
        return client.recv(1) == b""
    except (ssl.SSLEOFError, ConnectionResetError):
        return True


def status(place: Place, context: ssl.SSLContext, path: str = "/-/healthy") -> int:
    connection = http.client.HTTPSConnection(*place, context=context, timeout=GENEROUS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def at_most(version: ssl.TLSVersion, folder: Path, name: str | None = None) -> ssl.SSLContext:
    context = certificates.client(folder, name)
    context.maximum_version = version
    return context
