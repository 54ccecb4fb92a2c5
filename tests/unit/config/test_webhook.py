"""The secret of webhooks is read when it is needed, and never shown."""

from pathlib import Path

import pytest

from exporter.config import TokenError, WebhookSecret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def refusal(file: Path) -> str:
    with pytest.raises(TokenError) as caught:
        WebhookSecret(file).read()
    assert "CANARY" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("text", ["CANARY", "whsec_CANARY+/=", "two words", "Bearer CANARY", "CANÄRY ☃", "x"])
def test_a_secret_is_any_line_of_text_without_the_white_space_around_it(file: Path, text: str) -> None:
    for mark in ("", "\ufeff"):
        file.write_text(f"{mark} \t{text}\r\n\n")
        assert WebhookSecret(file).read() == text.encode()


def test_a_secret_that_is_rotated_is_read_again_and_an_unusable_one_leaves_no_old_one_in_use(file: Path) -> None:
    secret = WebhookSecret(file)
    for text in ("CANARY-1", "CANARY-2"):
        file.write_text(text)
        assert secret.read() == text.encode()
    file.write_text("")
    for _ in range(2):
        with pytest.raises(TokenError, match="the secret is empty"):
            secret.read()
    file.unlink()
    with pytest.raises(TokenError, match="the secret's file: there is no such file"):
        secret.read()


@pytest.mark.parametrize("text", ["", " \n", "CANARY\nCANARY", "CANARY\0", "\ufeff\ufeffCANARY", "\ufeff"])
def test_what_is_no_line_of_text_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    assert refusal(file).startswith("the secret ")


@pytest.mark.parametrize("text", ["changeme", "<secret>", "${INKIT_WEBHOOK_SECRET}", "...", "INKIT_WEBHOOK_SECRET"])
def test_what_stands_for_a_secret_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    assert refusal(file) == "the secret is a placeholder or the name of a variable: put the secret itself into the file"


def test_a_secret_does_not_show_itself_and_is_equal_to_one_of_the_same_place(file: Path) -> None:
    file.write_text("CANARY")
    secret = WebhookSecret(file)
    secret.read()
    assert f"{secret} {secret!r} {[secret]}" == "WebhookSecret(***) WebhookSecret(***) [WebhookSecret(***)]"
    assert (secret, hash(secret)) == (WebhookSecret(file), hash(WebhookSecret(file)))
    assert secret != WebhookSecret(file / "other")
