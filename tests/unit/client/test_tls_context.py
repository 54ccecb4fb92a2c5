"""Connections share a TLS context as long as they want the same one and its files stay as they are."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
import urllib3

from exporter.client.tls_context import TlsSettings, context


@pytest.fixture
def settings(tmp_path: Path) -> TlsSettings:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return TlsSettings(ssl.CERT_REQUIRED, str(file), None, None, None)


def test_connections_with_the_same_settings_share_a_context(settings: TlsSettings) -> None:
    assert context(settings) is context(replace(settings))
    assert context(settings).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("changed", [{"assert_hostname": "other"}, {"cert_reqs": "CERT_NONE", "authorities": None}])
def test_connections_with_other_settings_have_another(settings: TlsSettings, changed: dict[str, str]) -> None:
    assert context(settings) is not context(replace(settings, **changed))


def test_a_file_that_was_exchanged_is_read_again(settings: TlsSettings, tmp_path: Path) -> None:
    before = context(settings)
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    other.rename(tmp_path / "ca.pem")
    after = context(settings)
    assert after is not before
    assert after.get_ca_certs() != before.get_ca_certs()
    assert context(settings) is after


def test_a_file_that_holds_nothing_usable_is_an_error_until_it_does(settings: TlsSettings, tmp_path: Path) -> None:
    good = Path(settings.authorities or "").read_bytes()
    (tmp_path / "ca.pem").write_bytes(b"nothing")
    for _ in range(2):
        with pytest.raises(urllib3.exceptions.SSLError):
            context(settings)
    (tmp_path / "ca.pem").write_bytes(good)
    assert context(settings).get_ca_certs()


def test_a_folder_of_authorities_is_one_too(settings: TlsSettings, tmp_path: Path) -> None:
    made = context(replace(settings, authorities=str(tmp_path)))
    assert made.verify_mode is ssl.CERT_REQUIRED


def test_a_key_with_a_password_is_an_error_and_asks_nobody(settings: TlsSettings, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    issued = trustme.CA().issue_cert("client.example")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with pytest.raises(urllib3.exceptions.SSLError):
        context(replace(settings, cert_file=str(tmp_path / "cert.pem"), key_file=os.fspath(tmp_path / "key.pem")))
