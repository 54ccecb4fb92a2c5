"""Learn the page size and the sorting that a server accepts, from its refusals. The list order is not known here."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from exporter.client import Client, Request
from exporter.model.record import FetchError, Reason
from exporter.polling.collector.known_answers import NO_ANSWERS, Answers
from exporter.systems.base import Listing, Page

log = logging.getLogger(__name__)

SMALLEST_PAGE = 25
"""The page size of the vendors' own default, which they can't refuse."""

LARGEST_PAGE_BYTES = 16 * 1024 * 1024
"""The largest page, in bytes. After a larger one, fewer rows are requested."""


def is_refusal(error: FetchError) -> bool:
    """Return whether the server refused this request alone: 400, 404, 422 and the like, but no token or rate limit."""
    refused = error.reason is Reason.CLIENT_ERROR and not error.passing
    return refused and error.status is not None and 400 <= error.status < 500


def refused_page(error: FetchError) -> Page:
    """Return a page after the first that is refused: it has no rows, but its `refusal`. Raises every other error."""
    if is_refusal(error):
        return Page((), refusal=error)
    raise error


@dataclass(slots=True)
class ServerLimits:
    """The limits of a server, learned from its refusals: no API reference documents them."""

    listing: Listing
    rows: int
    """Records to request at once."""
    sort: bool = True
    where: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Account and collector, for the log."""
    answers: Answers = field(default=NO_ANSWERS, compare=False)
    """Reads the answers; each poll has its own."""
    _refused: "tuple[int, bool] | None" = field(default=None, compare=False)
    """The rows and the sorting that were refused, if any were."""
    _refused_at: float | None = field(default=None, compare=False)
    """When the next poll began after that."""

    def try_again(self, now: float, after: float) -> bool:
        """Request from now on what was refused, if that is so many seconds ago: it may have been temporary.

        Return whether it is.
        """
        if self._refused is not None and self._refused_at is None:
            self._refused_at = now
        elif self._refused is not None and self._refused_at is not None and now - self._refused_at >= after:
            self.rows, self.sort = self._refused
            self._refused = self._refused_at = None
            return True
        return False

    def request(self, number: int) -> Request:
        """Return the request for a page, by the server's own number from 1."""
        request = self.listing.page(number, self.rows)
        request = replace(request, most=LARGEST_PAGE_BYTES if self.rows > 1 else None)
        return replace(request, params={**request.params, **self.listing.sorting}) if self.sort else request

    def page(self, client: Client, number: int) -> Page:
        """Return a page, with fewer rows or unsorted if the server refuses more. Raises FetchError.

        A page after the first that is refused has no rows, but its `refusal`.
        """
        try:
            return self._get(client, number)
        except FetchError as error:
            return self._page_after(error, client, number)

    def _page_after(self, refusal: FetchError, client: Client, number: int) -> Page:
        """Return the page as `page` does, after the first request for it has failed."""
        if refusal.reason is Reason.TOO_LARGE and self.rows > 1:
            return self._smaller(client, number)
        if number > 1:
            return refused_page(refusal)
        if is_refusal(refusal) and refusal.status in (400, 422):
            # A single refusal may be temporary, but what is learned from it is kept: ask again first.
            try:
                return self._get(client, number)
            except FetchError as error:
                refusal = error
        for humbler in self._humbler():
            if refusal.status not in (400, 422):
                break
            try:
                page = self.listing.read_page(client.get(humbler.request(number)))
            except FetchError as error:
                refusal = error
                continue
            # Logged only now: the same request without it was accepted, so that was the cause.
            log.warning("%s", humbler.message(self), extra=dict(self.where))
            self._refused = self._refused or (self.rows, self.sort)
            self.rows, self.sort = humbler.rows, humbler.sort
            return page
        raise refusal

    def _get(self, client: Client, number: int) -> Page:
        return self.answers.page(client, self.request(number), self.listing.read_page, self.listing.rows_at)

    def _smaller(self, client: Client, number: int) -> Page:
        """Return a page that is too large: the first one with fewer rows, a later one as it is.

        Pages are counted from the first, so that their size can't change in the middle.
        """
        if number > 1:
            return self.listing.read_page(client.get(replace(self.request(number), most=None)))
        self.rows //= 2
        if self._refused is not None:
            self._refused = (self.rows, self._refused[1])
        log.info("pages are large: asking for %s rows a page from now on", self.rows, extra=dict(self.where))
        return self.page(client, number)

    def message(self, before: "ServerLimits") -> str:
        """Return what the server has refused, for the log."""
        refused = [f"pages of {before.rows} rows"] if self.rows != before.rows else []
        refused += ["sorting"] if self.sort != before.sort else []
        return f"the API refuses {' and '.join(refused)}: asking for {self.rows} rows a page from now on"

    def _humbler(self) -> "list[ServerLimits]":
        fewer = min(self.rows, SMALLEST_PAGE)
        tries = [(fewer, self.sort)]
        if self.listing.sorting:
            tries += [(self.rows, False), (fewer, False)]
        wanted = [limits for limits in dict.fromkeys(tries) if limits != (self.rows, self.sort)]
        return [ServerLimits(self.listing, rows, sort) for rows, sort in wanted]
