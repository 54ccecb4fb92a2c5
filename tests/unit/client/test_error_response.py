"""Which error a response with an error status becomes, and what its message quotes."""

import pytest

from exporter.client.error_response import redacted, response_error
from exporter.client.request import Request
from exporter.model.record import Reason

TOKEN = "CANARY"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.AUTH),
        (403, Reason.AUTH),
        (404, Reason.CLIENT_ERROR),
        (429, Reason.RATE_LIMITED),
        (302, Reason.CLIENT_ERROR),
        (500, Reason.SERVER_ERROR),
    ],
)
def test_the_vendors_words_stand_beside_ours(status: int, reason: Reason) -> None:
    error = response_error(Request("/batches", "/batches"), status, "code: words")
    assert error.reason is reason
    assert error.status == status
    assert str(status) in str(error)
    assert str(error).endswith("(code: words)")


@pytest.mark.parametrize(("status", "mentioned"), [(300, True), (399, True), (299, False), (400, False), (500, False)])
def test_of_a_redirect_it_is_said_that_none_is_followed(status: int, mentioned: bool) -> None:
    assert ("redirects are not followed" in str(response_error(Request("/batches", "/batches"), status))) is mentioned


def test_a_proxy_that_asks_for_a_password_is_not_the_api() -> None:
    error = response_error(Request("/batches", "/batches"), 407)
    assert error.reason is Reason.CLIENT_ERROR
    assert "proxy_url" in str(error)


def test_without_words_there_are_no_brackets() -> None:
    assert str(response_error(Request("/batches", "/batches"), 500)) == "GET /batches answered 500"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("auth.invalid: Key CANARY is unknown", "auth.invalid: Key … is unknown"),
        ("see https://files.example/a?X-Amz-Signature=1 now", "see … now"),
        ("no contact robin@example.com", "no contact …"),
        ("key " + "aB3" * 20, "key …"),
        ("two\nlines\x1b[31m\u202e", "two lines [31m"),
        ("word " * 100, "word " * 40),
    ],
)
def test_what_is_nobodys_business_is_left_out(words: str, kept: str) -> None:
    assert redacted(words, TOKEN) == kept


def test_without_a_token_to_leave_out_nothing_is_said() -> None:
    assert redacted("words", "") == ""
