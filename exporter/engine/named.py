"""Polling by ids alone, where an account has no list: those that other records and the configuration name."""

from exporter.engine.asking import ask
from exporter.engine.poll import Poll
from exporter.engine.reconcile import due, finish

OVERLAP_SECONDS = 3600.0
"""Records that name batches are read by another collector, in its own time."""


def read_named(poll: Poll, interval: float) -> None:
    """Ask for what is newly named and what is in flight; at reconciliations for all. Raises PollError."""
    marks = poll.records.marks
    everything = not marks.complete or due(poll, interval)
    since = poll.since if everything or marks.polled_at is None else marks.polled_at - OVERLAP_SECONDS
    named = {*poll.listing.known_ids, *poll.records.batches_named_by(poll.listing.parts or "", since)}
    if everything:
        poll.unfound.clear()
        known = (*poll.records.between(poll.since, float("inf")), *poll.records.in_flight(0.0))
        wanted = {*named, *(one for one, _ in known)}
    else:
        new = named - set(poll.records.get(sorted(named))) - poll.unfound
        wanted = {*new, *(one for one, _ in poll.records.in_flight(poll.since))}
    missing = ask(poll, sorted(wanted))
    poll.unfound |= missing
    poll.lose(missing)
    if everything:
        finish(poll)
