"""The API token is read when it is needed, and never shown."""

import os
from pathlib import Path

import pytest

from exporter.config import Token, TokenError
from exporter.config.source.files import Unreadable, read


def refusal(source: str | Path) -> str:
    with pytest.raises(TokenError) as caught:
        Token(source).read()
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("CANARY-1\n")
    return path


def test_white_space_around_a_token_is_not_part_of_it(file: Path) -> None:
    file.write_text(" \tCANARY-1\r\n\n")
    assert Token(file).read() == "CANARY-1"
    assert Token("CANARY\n").read() == "CANARY"


def test_a_token_file_may_begin_with_the_byte_order_mark_of_an_editor(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfCANARY-1\r\n")
    assert Token(file).read() == "CANARY-1"
    for encoding in ("utf-16", "utf-32"):
        file.write_bytes("CANARY-1\r\n".encode(encoding))
        assert refusal(file) == "the token's file is not text in UTF-8"


def test_a_token_file_is_read_again_when_its_content_has_changed(file: Path) -> None:
    token = Token(file)
    assert token.read() == "CANARY-1"
    file.write_text("CANARY-22\n")
    assert token.read() == "CANARY-22"


def test_a_change_of_time_alone_is_a_change(file: Path) -> None:
    token = Token(file)
    token.read()
    file.write_text("CANARY-2\n")
    os.utime(file, ns=(1, 1))
    assert token.read() == "CANARY-2"


def test_a_token_file_is_read_again_though_size_and_time_of_its_content_are_the_same(file: Path) -> None:
    token = Token(file)
    token.read()
    before = file.stat()
    file.write_text("CANARY-2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert token.read() == "CANARY-2"


def test_a_token_file_that_is_replaced_through_a_link_is_read_again(tmp_path: Path) -> None:
    # The way Kubernetes changes a mounted secret.
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(f"CANARY-{version}")
        os.utime(tmp_path / version / "token", ns=(1, 1))
    current = tmp_path / "current"
    current.symlink_to("1")
    token = Token(current / "token")
    assert token.read() == "CANARY-1"
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(current)
    assert token.read() == "CANARY-2"


def test_a_token_file_that_has_not_changed_is_not_read_again(file: Path) -> None:
    token = Token(file)
    assert token.read() is token.read()


def test_a_token_file_that_has_gone_is_an_error_and_works_again_when_it_is_back(file: Path) -> None:
    token = Token(file)
    token.read()
    content = file.read_text()
    file.unlink()
    with pytest.raises(TokenError, match="no such file"):
        token.read()
    file.write_text(content)
    assert token.read() == "CANARY-1"


def test_an_unusable_new_token_does_not_leave_the_old_one_in_use(file: Path) -> None:
    token = Token(file)
    token.read()
    file.write_text("\n")
    for _ in range(2):
        with pytest.raises(TokenError, match="empty"):
            token.read()


@pytest.mark.parametrize(
    "text", ["CANARY\nCANARY", "CANARY\rCANARY", "CANARY\0", "CANARY\x7f", "CANARY\x85", "CANARY€", "\ufeffCANARY"]
)
def test_a_token_that_no_header_can_carry_is_refused(text: str) -> None:
    assert refusal(text) == "the token has a line break or another character that an HTTP header can't carry"


@pytest.mark.parametrize(
    "text",
    [
        "CANARY",
        "CANARY==",
        "CANÄRY",
        "~CANARY!",
        "CANARYÿ",
        "token-CANARY",
        "sk_live_CANARY",
        "key:CANARY",
        "demo-token",
        "bearerCANARY",
        "yourself",
        "x",
        "eyJhbGciOiJIUzI1NiJ9.eyJDQU5BUlkiOjF9.c2ln-_A",
        "$2b$10$CANARY",
        "/CANARY+base/64==",
        "it's-CANARY",
    ],
)
def test_a_token_that_a_header_can_carry_is_taken_as_it_is(text: str) -> None:
    assert Token(text).read() == text


def test_an_empty_token_is_refused() -> None:
    assert refusal("") == refusal(" \n") == "the token is empty"


def test_why_a_token_file_can_not_be_read_is_said_without_naming_it(tmp_path: Path) -> None:
    loop = tmp_path / "CANARY-loop"
    loop.symlink_to(loop)
    large = tmp_path / "CANARY-large"
    large.write_bytes(b"CANARY" * 2000)
    binary = tmp_path / "CANARY-binary"
    binary.write_bytes(b"CANARY\xff")
    pipe = tmp_path / "CANARY-pipe"
    os.mkfifo(pipe)
    reasons = {path: refusal(path) for path in (loop, large, binary, pipe, tmp_path, binary / "x", Path("\0"))}
    assert list(reasons.values()) == [
        "the token's file: the file can't be read (Too many levels of symbolic links)",
        "the token's file: the file is larger than 8192 bytes",
        "the token's file is not text in UTF-8",
        "the token's file is not a regular file",
        "the token's file: it is a directory, not a file",
        "the token's file: the file can't be read (Not a directory)",
        "the token's file: the file's name has a character that no file can have",
    ]


def test_a_file_may_be_as_large_as_its_limit(file: Path) -> None:
    assert read(file, 9) == b"CANARY-1\n"
    with pytest.raises(Unreadable, match="larger than 8 bytes"):
        read(file, 8)


def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    class Forbidden(type(tmp_path)):  # type: ignore[misc]
        def open(self, *args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(Unreadable, match="no permission"):
        read(Forbidden(tmp_path), 1)


def test_a_token_does_not_show_itself(file: Path) -> None:
    for token in (Token("CANARY"), Token(file)):
        token.read()
        assert f"{token} {token!r} {[token]}" == "Token(***) Token(***) [Token(***)]"


def test_tokens_are_equal_if_they_come_from_the_same_place(file: Path) -> None:
    assert Token(file) == Token(file)
    assert Token("CANARY") == Token("CANARY")
    assert Token("CANARY") != Token("CANARY-2")
    assert Token(file) != Token(str(file))
    assert hash(Token("CANARY")) == hash(Token("CANARY"))
