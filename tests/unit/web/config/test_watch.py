"""The web configuration follows its files."""

import logging
import os
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config import ConfigError
from exporter.web.config import WebConfigFile, go, tls
from tests.support import certificates

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
HASH = "$2b$04$yzZLcURTcfWKHAIo0SuCB..GDDxpodavs4C8XIdkwdeoDT9032NIy"
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
HEADERS = "http_server_config: {headers: {X-Frame-Options: deny}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    certificates.make(tmp_path)
    return tmp_path / "web.yml"


def current(file: Path, content: str) -> WebConfigFile:
    file.write_text(content)
    return WebConfigFile(file)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(getattr(record, "err", "")) for record in caplog.records if record.levelno == logging.ERROR]


def test_a_change_of_the_file_counts_at_once(file: Path) -> None:
    web = current(file, USERS)
    file.write_text(USERS.replace("alice", "carol"))
    now = web.current()
    assert now is not None
    assert list(now.users) == ["carol"]


def test_what_has_not_changed_is_not_parsed_again(file: Path) -> None:
    web = current(file, TLS)
    assert web.current() is web.current()
    assert web.current_context() is web.current_context()


def test_a_file_that_becomes_bad_is_refused_and_logged_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = current(file, USERS)
    file.write_text("basic_auth_users: {alice: CANARY}\n")
    assert [web.current() for _ in range(3)] == [None] * 3
    assert len(errors(caplog)) == 1
    assert "web.yml:1: basic_auth_users.alice: is not a bcrypt hash" in errors(caplog)[0]
    assert "CANARY" not in caplog.text


def test_a_file_that_is_fixed_counts_again_and_this_is_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    web = current(file, USERS)
    good = web.current()
    file.write_text("[")
    assert web.current() is None
    file.write_text(USERS)
    assert web.current() == good
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "usable again" in caplog.messages[1]


def test_a_file_that_is_gone_is_refused(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = current(file, USERS)
    file.unlink()
    assert web.current() is None
    assert "there is no such file; --web.config.file names the web configuration" in errors(caplog)[0]


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "basic_auth_users:\n"])
def test_a_file_that_is_emptied_lets_nobody_in(file: Path, content: str) -> None:
    web = current(file, USERS)
    file.write_text(content)
    assert web.current() is None


def test_a_file_that_was_always_empty_is_fine(file: Path) -> None:
    web = current(file, "")
    assert web.current() is not None
    assert web.current_context() is None


@pytest.mark.parametrize(("before", "after"), [(TLS, HEADERS), (HEADERS, HEADERS + TLS)], ids=["off", "on"])
def test_tls_cannot_be_switched_while_the_exporter_runs(
    file: Path, caplog: pytest.LogCaptureFixture, before: str, after: str
) -> None:
    web = current(file, before)
    context = web.current_context()
    file.write_text(after)
    assert web.current() is None
    assert web.current_context() is context
    assert "TLS can't be switched on or off while the exporter runs; restart it" in errors(caplog)[0]


def test_new_certificates_count_for_new_connections(file: Path) -> None:
    web = current(file, TLS)
    before = web.current_context()
    shutil.copy(file.with_name("other.pem"), file.with_name("server.pem"))
    shutil.copy(file.with_name("other.key"), file.with_name("server.key"))
    assert web.current_context() is not before


def test_other_certificates_that_the_file_names_count_for_new_connections(file: Path) -> None:
    web = current(file, TLS)
    before = web.current_context()
    file.write_text(TLS.replace("server.", "other."))
    assert web.current_context() is not before


def test_certificates_behind_a_link_that_is_turned_count_too(file: Path) -> None:
    folder = file.parent
    for version, name in (("1", "server"), ("2", "other")):
        (folder / version).mkdir()
        for kind in ("pem", "key"):
            shutil.copy(folder / f"{name}.{kind}", folder / version / f"x.{kind}")
    (folder / "now").symlink_to("1")
    web = current(file, "tls_server_config: {cert_file: now/x.pem, key_file: now/x.key}\n")
    before = web.current_context()
    (folder / "next").symlink_to("2")
    (folder / "next").replace(folder / "now")
    assert web.current_context() is not before


def test_while_a_key_is_not_that_of_the_certificate_the_pair_before_stays(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web = current(file, TLS)
    before = web.current_context()
    shutil.copy(file.with_name("other.pem"), file.with_name("server.pem"))
    assert [web.current_context() for _ in range(3)] == [before] * 3
    assert web.current() is not None
    assert len(errors(caplog)) == 1
    assert "tls_server_config.key_file: is not the key of the certificate" in errors(caplog)[0]
    shutil.copy(file.with_name("other.key"), file.with_name("server.key"))
    assert web.current_context() is not before


def test_a_pipe_is_refused_and_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="it is not a regular file, but it is read repeatedly"):
        WebConfigFile(file)
    file.unlink()
    os.mkfifo(file.with_name("pipe"))
    with pytest.raises(ConfigError, match=r"cert_file: it is not a regular file"):
        current(file, "tls_server_config: {cert_file: pipe, key_file: server.key}\n")


def test_warnings_are_logged_once_for_each_configuration(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    web = current(file, HEADERS + "rate_limit: {burst: 1}\n")
    web.log_warnings()
    web.current()
    file.write_text(HEADERS + "rate_limit: {burst: 2}\n")
    web.current()
    web.current()
    warnings = [str(getattr(record, "warning", "")) for record in caplog.records]
    assert warnings == [f"{file}:2: rate_limit.burst: has no effect without an interval"] * 2


def test_certificate_and_key_may_be_in_the_file_itself(file: Path) -> None:
    def block(name: str) -> str:
        return "|\n" + "".join(f"    {line}\n" for line in file.with_name(name).read_text().splitlines())

    parts = f"  cert: {block('server.pem')}  key: {block('server.key')}  client_ca: {block('ca.pem')}"
    web = current(file, f"tls_server_config:\n{parts}  client_auth_type: RequireAndVerifyClientCert\n")
    context = web.current_context()
    assert context is not None
    assert len(context.get_ca_certs()) == 1


def test_a_cipher_suite_that_openssl_does_not_have_is_not_left_out_in_silence(file: Path) -> None:
    settings = current(file, TLS).config.tls
    assert settings is not None
    lacking = replace(settings, ciphers=("ECDHE-RSA-AES128-GCM-SHA256", "NO-SUCH"))
    with pytest.raises(ConfigError, match=r"tls_server_config\.cipher_suites: this machine's OpenSSL has no NO-SUCH$"):
        tls.context(lacking, tls.material(lacking))


@pytest.mark.parametrize(
    ("wanted", "curve", "warning"),
    [
        ("CurveP256", "prime256v1", ""),
        ("X25519", None, "can't offer X25519 alone: OpenSSL's own list is offered"),
        ("X25519, CurveP521", None, "can't offer X25519 or CurveP521 alone: OpenSSL's own list is offered"),
        (
            "X25519, CurveP384, CurveP256",
            "secp384r1",
            "CurveP384, the first that this machine's Python can offer alone",
        ),
        ("CurveP384, X25519", "secp384r1", "only one curve can be offered: CurveP384, the first"),
    ],
)
def test_of_the_curves_the_first_that_this_machine_can_offer_is_offered(
    file: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, curve: str | None, warning: str
) -> None:
    offer = ssl.SSLContext.set_ecdh_curve

    def offered(context: ssl.SSLContext, name: str) -> None:
        """Refuse large curves, as Python 3.11.2 does with an OpenSSL that has none."""
        if name == "X25519":
            raise ssl.SSLError(129, "[EC: UNKNOWN_GROUP] unknown group")
        if name == "secp521r1":
            raise ValueError("unknown elliptic curve name 'secp521r1'")
        offer(context, name)

    monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", offered)
    web = current(file, TLS.replace("}", f", curve_preferences: [{wanted}]}}"))
    assert web.config.tls is not None
    assert web.config.tls.curve == curve
    warnings = [str(warning) for warning in web.config.warnings]
    assert [line.endswith(warning) for line in warnings] == [True] * bool(warning), warnings
    assert web.current_context() is not None


@pytest.mark.parametrize("curve", go.CURVES)
def test_every_curve_that_may_be_named_gives_a_context_on_this_machine(file: Path, curve: str) -> None:
    assert current(file, TLS.replace("}", f", curve_preferences: [{curve}]}}")).current_context() is not None
