"""Certificates for tests: of an authority made for the test, and what is none."""

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


def make(folder: Path) -> trustme.CA:
    """Put a server's certificate and key, the authority of it, and others of each kind into a folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issue(authority, folder, "server", "127.0.0.1", "localhost")
    issue(authority, folder, "other", "127.0.0.1", "localhost")
    issue(authority, folder, "scraper", "scraper.example", "scraper@example.net", "2001:db8::1")
    issue(trustme.CA(), folder, "stranger", "scraper.example")
    key = load_pem_private_key((folder / "server.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"CANARY"))
    (folder / "encrypted.key").write_bytes(locked)
    (folder / "junk.pem").write_text("CANARY\n")
    return authority


def issue(authority: trustme.CA, folder: Path, name: str, *identities: str) -> None:
    """Write a certificate for these identities and its key, as NAME.pem and NAME.key."""
    made = authority.issue_cert(*identities)
    made.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    made.private_key_pem.write_to_path(folder / f"{name}.key")


def client(folder: Path, name: str | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts the authority, with a certificate of its own if it has a name."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name is not None:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context
