"""One poll of one collector: from the list's pages to the records in the state. Threads and metrics are not here."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.client import Client
from exporter.families import Family
from exporter.metrics import unknown_labels
from exporter.records import FetchError, Record
from exporter.sources.listing import Listing, Page
from exporter.state import Records
from exporter.sweep import Manners, sweep

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Found:
    """What a poll met, apart from the records themselves."""

    rejected: Counter[str] = field(default_factory=Counter)
    """By reason: how many items could not be understood."""
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By label and value: how many records came with a value that no API page names."""
    vanished: int = 0


class Collector:
    """One list endpoint of one account, and how it has turned out to behave."""

    def __init__(self, listing: Listing, families: Iterable[Family], lookback: float, page_size: int) -> None:
        """`lookback` in seconds."""
        self.listing = listing
        self.families = tuple(families)
        self._lookback = lookback
        self._manners = Manners(page_size)
        self._has_list = True

    def poll(self, client: Client, records: Records, now: float, found: Found) -> None:
        """Bring the records up to date with the API. Raises PollError; what was read until then is kept."""
        since = now - self._lookback
        if self._has_list:
            try:
                self._read_window(client, records, since, found)
            except FetchError as error:
                if error.status not in (404, 405) or self.listing.parts is None:
                    raise
                self._has_list = False
                log.warning(
                    "the account has no such list: asking for the batches that invocations and the configuration name",
                    extra={"collector": self.listing.name},
                )
        if not self._has_list:
            self._ask_by_id(client, records, since, found)
        records.apply((), records.finished_before(since))

    def _read_window(self, client: Client, records: Records, since: float, found: Found) -> None:
        met: set[str] = set()
        for page in sweep(client, self.listing, self._manners, since):
            met.update(record.id for record in page.records)
            self._take_in(records, page, since, found)
        missing = [one for one in records.since(since) if one not in met]
        if missing:
            self._confirm(client, records, missing, found)

    def _confirm(self, client: Client, records: Records, missing: list[str], found: Found) -> None:
        """Ask for records that no page showed: they are gone, or a deletion pulled them up to a page already read."""
        gone = set(missing)
        for request in self.listing.ask(missing):
            try:
                page = self.listing.read_asked(client.get(request))
            except FetchError as error:
                if error.status != 404:
                    raise
                continue
            gone.difference_update(record.id for record in page.records)
            self._take_in(records, page, 0.0, found)
        found.vanished += records.apply((), gone)

    def _ask_by_id(self, client: Client, records: Records, since: float, found: Found) -> None:
        named = {*self.listing.known_ids, *records.batches_named_by(self.listing.parts or ""), *records.since(since)}
        self._confirm(client, records, sorted(named), found)

    def _take_in(self, records: Records, page: Page, since: float, found: Found) -> None:
        found.rejected.update(page.rejected)
        inside = [record for record in page.records if record.created_at >= since]
        known = records.get([record.id for record in inside])
        for record in inside:
            if known.get(record.id) != record:
                found.unknown.update(self._unknown(record))
        records.apply(inside)

    def _unknown(self, record: Record) -> set[tuple[str, str]]:
        return {one for key in record.adds for one in unknown_labels(self.families, self.listing.name, key)}
