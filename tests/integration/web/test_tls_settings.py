"""Client certificates, versions, cipher suites and curves, as clients meet them over real sockets."""

import contextlib
import http.client
import shutil
import ssl
from pathlib import Path

import pytest

from exporter.web.server.tls import subject_alt_names
from tests.support import certificates
from tests.support.serving import (
    GET,
    connect,
)
from tests.support.tls_clients import TLS, at_most, secured, shaken, status

REQUIRED = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
IF_GIVEN = REQUIRED.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")


def test_a_client_certificate_is_required_and_verified(folder: Path) -> None:
    with secured(folder, TLS + REQUIRED) as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            status(place, certificates.client(folder))
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_a_client_certificate_may_be_left_out_where_it_is_verified_if_given(folder: Path) -> None:
    with secured(folder, TLS + IF_GIVEN) as place:
        assert status(place, certificates.client(folder)) == 200
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_without_an_authority_of_its_own_those_of_the_system_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with secured(folder, TLS + "  client_auth_type: RequireAndVerifyClientCert\n") as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            status(place, certificates.client(folder, "stranger"))


def test_a_new_client_authority_counts_for_new_connections(folder: Path) -> None:
    with secured(folder, TLS + REQUIRED) as place:
        assert status(place, certificates.client(folder, "scraper")) == 200
        for name in ("scraper", "server"):
            shutil.copy(folder / f"{name}.pem", folder / f"{name}.old")
        mine = certificates.client(folder, "scraper")
        certificates.make(folder)
        with pytest.raises(ssl.SSLError):
            status(place, mine)
        assert status(place, certificates.client(folder, "scraper")) == 200


@pytest.mark.parametrize("san", ["scraper.example", "scraper@example.net", "2001:db8::1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_must_be_for_one_of_the_allowed_names(
    folder: Path, san: str, version: ssl.TLSVersion
) -> None:
    with secured(folder, TLS + REQUIRED + f"  client_allowed_sans: ['{san}', another]\n") as place:
        assert status(place, at_most(version, folder, "scraper")) == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            status(place, at_most(version, folder, "other"))


def test_without_an_allowed_name_no_certificate_will_do_but_none_may_be_given(folder: Path) -> None:
    with secured(folder, TLS + IF_GIVEN + "  client_allowed_sans: []\n") as place:
        assert status(place, certificates.client(folder)) == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            status(place, certificates.client(folder, "scraper"))


def test_names_of_every_kind_are_written_as_go_writes_them() -> None:
    kinds = (("DNS", "a.example"), ("URI", "spiffe://x/y"), ("IP Address", "2001:DB8:0:0:0:0:0:1\n"), ("DirName", ()))
    assert subject_alt_names({"subjectAltName": kinds}) == {"a.example", "spiffe://x/y", "2001:db8::1"}
    assert subject_alt_names({"subject": ()}) == set()


def test_the_version_can_be_limited_on_both_sides(folder: Path) -> None:
    with secured(folder, TLS + "  min_version: TLS13\n") as place:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            status(place, at_most(ssl.TLSVersion.TLSv1_2, folder))
        assert status(place, certificates.client(folder)) == 200
    with secured(folder, TLS + "  max_version: TLS12\n") as place, shaken(place, certificates.client(folder)) as client:
        assert client.version() == "TLSv1.2"


def test_a_cipher_suite_of_the_list_is_used_and_no_other(folder: Path) -> None:
    suite = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
    client = at_most(ssl.TLSVersion.TLSv1_2, folder)
    with secured(folder, TLS + suite) as place:
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        with shaken(place, client) as connection:
            assert (connection.cipher() or [None])[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        client.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            status(place, client)
    with secured(folder, TLS + suite + "  prefer_server_cipher_suites: false\n") as place:
        client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        with shaken(place, client) as connection:
            assert (connection.cipher() or [None])[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_a_curve_of_the_list_is_used_and_no_other(folder: Path) -> None:
    with secured(folder, TLS + "  curve_preferences: [CurveP384]\n") as place:
        client = certificates.client(folder)
        client.set_ecdh_curve("secp384r1")
        assert status(place, client) == 200
        client.set_ecdh_curve("prime256v1")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            status(place, client)


def test_http_1_1_is_what_is_agreed_on(folder: Path) -> None:
    client = certificates.client(folder)
    client.set_alpn_protocols(["h2", "http/1.1"])
    with secured(folder) as place, shaken(place, client) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_that_is_taken_up_again_is_judged_by_its_certificate_too(
    folder: Path, version: ssl.TLSVersion
) -> None:
    with secured(folder, TLS + REQUIRED + "  client_allowed_sans: [scraper.example]\n") as place:
        for name, end in (("scraper", b"H"), ("other", b"")):
            context = at_most(version, folder, name)
            session = None
            for _ in range(2):
                with connect(place) as plain:
                    client = context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
                    with contextlib.suppress(OSError):
                        client.sendall(GET)
                    assert client.recv(1) == end
                    assert client.session_reused is (session is not None)
                    session = client.session
                    client.close()
