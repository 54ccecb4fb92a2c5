"""A placeholder in the place of a token is refused, wherever it is set; a token never is."""

import base64
import string
import uuid
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.config import Token, TokenError

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
WORDS = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=30)
REFERENCES = st.tuples(
    NAMES,
    st.sampled_from(["${%s}", "$%s", "${%s:-}", "$(%s)", "{{ %s }}", "%%%s%%", "prefix-${%s}", "#{%s}"]),
).map(lambda pair: pair[1] % pair[0])
BRACKETED = WORDS.flatmap(lambda word: st.sampled_from([f"<{word}>", f"[{word}]", f"{{{word}}}", f"<your {word}>"]))
QUOTED = WORDS.flatmap(lambda word: st.sampled_from([f'"{word}"', f"'{word}'", f"`{word}`"]))
BEHIND_A_SCHEME = st.tuples(
    st.sampled_from(["Bearer", "Token", "Basic", "bearer", "ApiKey"]),
    st.sampled_from([" ", "\t", ": "]),
    WORDS,
).map("".join)
BEHIND_A_NAME = st.tuples(
    st.sampled_from(
        ["INKIT_API_TOKEN=", "export PX_API_KEY=", "X-Inkit-API-Token: ", "PX-API-KEY: ", "authorization: ", "api_key:"]
    ),
    WORDS,
).map("".join)
SPLIT = st.lists(WORDS, min_size=2, max_size=4).flatmap(
    lambda words: st.sampled_from([" ", "  ", "\t", "\xa0"]).map(lambda space: space.join(words))
)
PLACEHOLDERS = st.sampled_from(
    [
        *("...", "***", "xxx", "XXXXXXXX", "--", "changeme", "CHANGE_ME", "change-this!", "replace_me", "TODO", "tbd"),
        *(
            "your-token",
            "your_api_token_here",
            "YOUR-INKIT-API-KEY",
            "insert your token here",
            "put-the-api-token-here",
        ),
        *("INKIT_API_TOKEN", "PX_API_KEY", "undefined", "None", "null", "[REDACTED]", "paste_token_here"),
        "ENC[AES256_GCM,data:x]",
        *("token", "Token", "SECRET", "secret", "api-key", "api_token", "my-api-token", "INKIT-TOKEN", "access_token"),
        *("key", "password", "Passwd", "credentials", "example", "sample", "dummy", "foo", "the-token"),
    ]
)
NO_TOKEN = st.one_of(REFERENCES, BRACKETED, QUOTED, BEHIND_A_SCHEME, BEHIND_A_NAME, SPLIT, PLACEHOLDERS)
TOKENS = st.one_of(
    st.binary(min_size=12, max_size=48).map(lambda content: base64.b64encode(content).decode()),
    st.binary(min_size=12, max_size=48).map(lambda content: base64.urlsafe_b64encode(content).decode().rstrip("=")),
    st.binary(min_size=12, max_size=48).map(bytes.hex),
    st.uuids().map(str),
    st.tuples(st.sampled_from(["sk_live_", "inkit-", "px.", "token-", "key:", "bearer"]), st.uuids()).map(
        lambda pair: f"{pair[0]}{pair[1]}"
    ),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("token") / "token"


@given(text=NO_TOKEN)
def test_what_is_no_token_is_refused_from_text_and_from_a_file_and_not_quoted(text: str, file: Path) -> None:
    file.write_text(f"{text}\n", encoding="utf-8")
    for source in (text, file):
        with pytest.raises(TokenError) as caught:
            Token(source).read()
        message = str(caught.value)
        assert message.startswith("the token ")
        assert ": " in message, "it says how to do it right"
        secret = text.strip("<>[]{}$\"'")
        for key in ("api_token_file", "api_token_env", "api_token"):
            message = message.replace(key, "")
        assert len(secret) < 8 or secret not in message


@given(token=TOKENS)
def test_a_random_token_of_any_usual_form_is_taken(token: str) -> None:
    assume(len(set(token.rstrip("="))) > 2)
    assert Token(token).read() == token


def test_the_fix_for_a_variable_is_named() -> None:
    with pytest.raises(TokenError, match="api_token_env"):
        Token("${" + uuid.uuid4().hex + "}").read()
