"""What the log says of what a poll has met: once a poll, however many records it was. Nothing is counted here."""

import logging
from collections.abc import Mapping

from exporter.polling.collector import Found

log = logging.getLogger(__name__)

TOLD_AT_ONCE = 10
"""How many unknown values are named after a poll: a vendor must not fill a disk with them."""


def tell(found: Found, where: Mapping[str, str]) -> None:
    """Tell what was strange; `where` names the collector."""
    for (label, value), count in found.unknown.most_common(TOLD_AT_ONCE):
        log.warning(
            "a value that the API's documentation does not name",
            extra={**where, "label": label, "value": value, "records": count},
        )
    for reason, count in found.rejected.items():
        log.warning("skipped records that can't be understood", extra={**where, "reason": reason, "records": count})
    if found.abandoned:
        log.warning("gave up on records in flight for too long", extra={**where, "records": found.abandoned})
    if found.vanished:
        log.info("the API no longer has records that it had", extra={**where, "records": found.vanished})
