"""Read the lists of records in flight, for an API that can filter by status."""

import logging

from exporter.model.record import FetchError
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.server_limits import is_refusal

log = logging.getLogger(__name__)


def read_in_flight(poll: Poll, expected: int) -> None:
    """Bring the records of these lists up to date; those that are on none of them are left to the caller.

    `expected` is how many records are in flight. Raises PollError. If the API ignores the filter or refuses it, the
    lists are not read again before the next reconciliation is due: that may have been temporary.
    """
    # A bound, whatever the server says about further pages.
    most = expected // poll.pages.full + 2
    for filters in poll.listing.in_flight_filters:
        for number in range(1, most + 1):
            try:
                request = poll.pages.filtered(number, filters)
                # All rows of an answer that is not known are read: those that have finished are counted below.
                page = poll.answers.page(poll.client, request, poll.listing.read_page)
            except FetchError as error:
                if not is_refusal(error):
                    raise
                if number == 1:
                    _give_up(poll)
                    return
                break
            poll.ingest(page)
            # An index may lag behind the records, and a batch may finish while it is looked up: a few are no proof.
            if 2 * sum(not record.in_flight for record in page.records) > len(page.ids):
                _give_up(poll)
                return
            if page.last or not page.rows:
                break


def _give_up(poll: Poll) -> None:
    poll.pages.filters.obeyed = False
    log.warning("API ignores the status filter: fetching unfinished records by ID", extra=poll.pages.where)
