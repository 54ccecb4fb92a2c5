"""Reading the lists that have just the records in flight, where a vendor has such."""

import logging
from dataclasses import replace

from exporter.model.record import FetchError
from exporter.polling.collector.poll import Poll
from exporter.polling.collector.server_limits import is_refusal

log = logging.getLogger(__name__)


def read_in_flight(poll: Poll, expected: int) -> None:
    """Bring the records up to date that these lists have; those they don't have any more are the caller's.

    Raises PollError. A server that does not keep to the filter is not asked in this way again.
    """
    # Whatever the server says of further pages: no more than there can be.
    most = expected // poll.pages.full + 2
    for only in poll.listing.in_flight_filters:
        for number in range(1, most + 1):
            request = poll.pages.manners.request(poll.listing, number)
            try:
                page = poll.listing.read_page(
                    poll.client.get(replace(request, params={**request.params, **only}, most=None))
                )
            except FetchError as error:
                if not is_refusal(error):
                    raise
                if number == 1:
                    _give_up(poll)
                    return
                break
            poll.take(page)
            if not all(record.in_flight for record in page.records):
                _give_up(poll)
                return
            if page.last or not page.rows:
                break


def _give_up(poll: Poll) -> None:
    poll.pages.filters = False
    log.warning(
        "the list does not keep to its filters: asking for records in flight one by one",
        extra=dict(poll.pages.manners.where),
    )
