"""How a page is asked for, and which answers are refusals."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.client import Client, Request
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.server_limits import LARGEST_PAGE_BYTES, ServerLimits, is_refusal
from exporter.systems import sources
from exporter.systems.base import Options

LISTING = sources()["inkit"].listing("document_batches", Options())


@pytest.mark.parametrize(
    ("reason", "status", "refused"),
    [
        (Reason.CLIENT_ERROR, 399, False),
        (Reason.CLIENT_ERROR, 400, True),
        (Reason.CLIENT_ERROR, 404, True),
        (Reason.CLIENT_ERROR, 499, True),
        (Reason.CLIENT_ERROR, 500, False),
        (Reason.CLIENT_ERROR, None, False),
        (Reason.AUTH, 401, False),
        (Reason.RATE_LIMITED, 429, False),
        (Reason.SERVER_ERROR, 500, False),
    ],
)
def test_only_what_is_said_of_just_this_request_is_a_refusal(reason: Reason, status: int | None, refused: bool) -> None:
    assert is_refusal(FetchError(reason, "message", status)) is refused


def test_a_list_is_sorted_unless_the_server_refuses_that() -> None:
    assert LISTING.sorting.items() <= ServerLimits(LISTING, 10).request(3).params.items()
    assert not LISTING.sorting.items() & ServerLimits(LISTING, 10, sort=False).request(3).params.items()


@pytest.mark.parametrize(("rows", "most"), [(1, None), (2, LARGEST_PAGE_BYTES), (100, LARGEST_PAGE_BYTES)])
def test_a_page_is_bounded_in_bytes_unless_it_can_not_be_smaller(rows: int, most: int | None) -> None:
    assert ServerLimits(LISTING, rows).request(1).most == most


class TooLarge:
    """An API whose records are each too large."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, request: Request) -> None:
        self.asked.append(request.params["page_size"])
        raise FetchError(Reason.TOO_LARGE, "no room for the answer")


@given(st.integers(1, 1000))
def test_pages_get_smaller_until_a_single_record_is_too_large_which_fails_the_poll(rows: int) -> None:
    limits, api = ServerLimits(LISTING, rows), TooLarge()
    client = cast("Client", api)
    with pytest.raises(FetchError, match="no room") as caught:
        limits.page(client, 1)
    assert caught.value.reason is Reason.TOO_LARGE
    assert limits.rows == 1
    assert [int(asked) for asked in api.asked] == [rows >> halved for halved in range(rows.bit_length())]
