"""How a server lets itself be asked for a page: what it refuses is learnt. The order of the list is not known here."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from exporter.client import Client, Request
from exporter.model.record import FetchError, Reason
from exporter.systems.base import Listing, Page

log = logging.getLogger(__name__)

SMALLEST_PAGE = 25
"""The page size of the vendors' own default, which they can't refuse."""

LARGEST_PAGE_BYTES = 16 * 1024 * 1024
"""Of an answer with more, fewer rows are asked for."""

NO_PAGE = Page(())


def is_refusal(error: FetchError) -> bool:
    """Did the server refuse just this request: 400, 404, 422 and the like, but for tokens and its pace."""
    return error.reason is Reason.CLIENT_ERROR and error.status is not None and 400 <= error.status < 500


@dataclass(slots=True)
class ServerLimits:
    """Learnt from what the server refuses, since no page of its reference says it."""

    rows: int
    """Records to ask for at once."""
    sort: bool = True
    where: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Account and collector, for the log."""

    def request(self, listing: Listing, number: int) -> Request:
        """The request for a page, by the server's own count from 1."""
        request = listing.page(number, self.rows)
        request = replace(request, most=LARGEST_PAGE_BYTES if self.rows > 1 else None)
        return replace(request, params={**request.params, **listing.sorting}) if self.sort else request

    def page(self, client: Client, listing: Listing, number: int) -> Page:
        """A page, with fewer rows or unsorted where the server refuses more. Raises FetchError.

        A page after the first that is refused is one without rows, with its `refusal`.
        """
        try:
            return listing.read_page(client.get(self.request(listing, number)))
        except FetchError as error:
            if number > 1 and is_refusal(error):
                return Page((), refusal=error)
            if error.reason is Reason.TOO_LARGE and self.rows > 1:
                return self._smaller(client, listing, number)
            refusal = error
        if is_refusal(refusal) and refusal.status in (400, 422):
            # One refusal may be of the moment: what is learnt from it is kept.
            try:
                return listing.read_page(client.get(self.request(listing, number)))
            except FetchError as error:
                refusal = error
        for humbler in self._humbler(listing):
            if refusal.status not in (400, 422):
                break
            try:
                page = listing.read_page(client.get(humbler.request(listing, number)))
            except FetchError as error:
                refusal = error
                continue
            # Said only now: it was that which was refused, since the same request without it was not.
            log.warning("%s", humbler.told(self), extra=dict(self.where))
            self.rows, self.sort = humbler.rows, humbler.sort
            return page
        raise refusal

    def _smaller(self, client: Client, listing: Listing, number: int) -> Page:
        """A page that is too large: with fewer rows if it is the first, from which pages are counted, else as it is."""
        if number > 1:
            return listing.read_page(client.get(replace(self.request(listing, number), most=None)))
        self.rows //= 2
        log.info("pages are large: asking for %s rows a page from now on", self.rows, extra=dict(self.where))
        return self.page(client, listing, number)

    def told(self, before: "ServerLimits") -> str:
        """What the server has refused, for the log."""
        refused = [f"pages of {before.rows} rows"] if self.rows != before.rows else []
        refused += ["sorting"] if self.sort != before.sort else []
        return f"the API refuses {' and '.join(refused)}: asking for {self.rows} rows a page from now on"

    def _humbler(self, listing: Listing) -> "list[ServerLimits]":
        fewer = min(self.rows, SMALLEST_PAGE)
        tries = [ServerLimits(fewer, self.sort)]
        if listing.sorting:
            tries += [ServerLimits(self.rows, False), ServerLimits(fewer, False)]
        return [one for place, one in enumerate(tries) if one != self and one not in tries[:place]]
