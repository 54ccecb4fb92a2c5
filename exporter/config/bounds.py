"""Derive what the program may have under way at the same time from what the process may use. Pure.

What the process may use: resources.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.config import levels, schema, sizes
from exporter.config.resources import Resources
from exporter.config.source.partial import Draft
from exporter.config.source.problems import Finding, Place

_MIB = 1024 * 1024
OWN_DESCRIPTORS = 36
"""Descriptors that are always open: standard streams, listening sockets, event loop, state, files being read."""
DESCRIPTORS_PER_WORKER = 4
"""The most descriptors of a request under way: the addresses of a host that are tried in parallel."""
_MOST_WORKERS, _LEAST_WORKERS = 64, 4
_WORKERS_PER_CPU, _LEAST_WORKERS_BY_CPU = 64, 16
"""Workers wait for answers most of the time. With a small part of a CPU, many answers would still be late."""
_MEMORY_PER_WORKER = 4 * _MIB
_MOST_CLIENTS, _LEAST_CLIENTS = 512, 4
_CLIENTS_TO_SPARE = 16
"""One descriptor to spare for so many clients: they are accepted before others are closed for them."""
_LEAST_MEMORY = 64 * _MIB
_OWN_MEMORY = 56 * _MIB
"""The memory of the program with few records, before the first answer."""
_DECODED = 8
"""The memory of an answer while it is decoded, as a multiple of its size: four bytes a character, twice."""
_MOST_ANSWER_BYTES, _MEMORY_PER_ANSWER_BYTE = 16 * _MIB, 32
_MOST_RESPONSE_BYTES = 64 * _MIB
_RECORD_BYTES = 1024
"""The usual size of a record on a list page."""
_MORE_FILES = "raise LimitNOFILE= (systemd), --ulimit nofile= (containers) or ulimit -n"
_MORE_MEMORY = "raise the memory limit of the container, or MemoryMax= (systemd)"


@dataclass(frozen=True, slots=True)
class ConfiguredLimits:
    """The bounds that the configuration sets. None is derived."""

    max_workers: int | None = None
    max_response_bytes: int | None = None
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the program may have under way at the same time."""

    workers: int
    """API requests at the same time, of all accounts."""
    answer_bytes: int
    """Bytes of answers being read, of all accounts, in addition to one answer that may be larger."""
    response_bytes: int
    """The largest answer, in bytes."""
    clients: int
    """Connections of scrapers and other clients."""
    idle_connections: int
    """Connections to APIs that are kept for the next request."""
    resources: Resources
    """The resources that the bounds are derived from."""

    @property
    def descriptors(self) -> int:
        """The most file descriptors that are open."""
        return OWN_DESCRIPTORS + _for_workers(self.workers) + _for_clients(self.clients) + self.idle_connections


def derive(resources: Resources, wanted: ConfiguredLimits) -> Bounds:
    """Return the bounds. None is less than 1; together they hold if there are no `problems`."""
    free = max(0, resources.descriptors - OWN_DESCRIPTORS)
    clients = 0 if wanted.max_connections is None else _for_clients(wanted.max_connections)
    if wanted.max_workers is None:
        requests = max(_for_workers(_LEAST_WORKERS), min(_for_workers(_MOST_WORKERS), free // 2, free - clients))
        by_cpu = max(_LEAST_WORKERS_BY_CPU, int(_WORKERS_PER_CPU * resources.cpus))
        workers = min(requests // DESCRIPTORS_PER_WORKER, by_cpu, resources.memory // _MEMORY_PER_WORKER)
    else:
        requests = _for_workers(wanted.max_workers)
        workers = wanted.max_workers
    left = max(0, free - requests)
    if wanted.max_connections is None:
        clients = min(_for_clients(_MOST_CLIENTS), max(_for_clients(_LEAST_CLIENTS), left * 3 // 4))
    return Bounds(
        workers=max(1, workers),
        answer_bytes=max(1, _answer_bytes(resources)),
        response_bytes=wanted.max_response_bytes or max(1, min(_MOST_RESPONSE_BYTES, _largest_response(resources))),
        clients=wanted.max_connections or _clients_of(clients),
        idle_connections=max(0, left - clients),
        resources=resources,
    )


def findings(draft: Draft, resources: Resources) -> Iterator[Finding]:
    """Yield the problems of a configuration's limits, with the fix."""
    wanted = _wanted(draft)
    found = list(problems(resources, wanted))
    yield from found
    if not found:
        yield from _pages(draft, derive(resources, wanted).response_bytes)


def problems(resources: Resources, wanted: ConfiguredLimits) -> Iterator[Finding]:
    """Yield why bounds can't hold, with the fix: too few file descriptors, too little memory."""
    yield from _descriptors(resources, wanted)
    yield from _memory(resources, wanted)


def _descriptors(resources: Resources, wanted: ConfiguredLimits) -> Iterator[Finding]:
    requests = _for_workers(wanted.max_workers or _LEAST_WORKERS)
    clients = _for_clients(wanted.max_connections or _LEAST_CLIENTS)
    needed = OWN_DESCRIPTORS + requests + clients
    if needed <= resources.descriptors:
        return
    has = resources.descriptors
    least = OWN_DESCRIPTORS + _for_workers(_LEAST_WORKERS) + _for_clients(_LEAST_CLIENTS)
    if resources.descriptors < least:
        message = (
            f"the process may have {has} file descriptors (RLIMIT_NOFILE), and needs at least {least}: {_MORE_FILES}"
        )
        yield Finding(("limits",), message)
        return
    key = "max_workers" if wanted.max_connections is None or requests > clients else "max_connections"
    yield Finding(
        ("limits", key),
        f"needs {needed} file descriptors; the process may have {has} (RLIMIT_NOFILE): lower it, or {_MORE_FILES}",
    )


def _memory(resources: Resources, wanted: ConfiguredLimits) -> Iterator[Finding]:
    has = sizes.write(resources.memory)
    largest = _largest_response(resources)
    if resources.memory < _LEAST_MEMORY:
        least = sizes.write(_LEAST_MEMORY)
        message = f"the process may use {has} of memory, and needs at least {least}: {_MORE_MEMORY}"
        yield Finding(("limits",), message)
    elif (wanted.max_response_bytes or 0) > largest:
        yield Finding(
            ("limits", "max_response_bytes"),
            f"the process may use {has} of memory, which is enough to decode {sizes.write(largest)}: lower it, or "
            + _MORE_MEMORY,
        )


def _pages(draft: Draft, largest: int) -> Iterator[Finding]:
    """Yield each page size that is too large for an answer of so many bytes, once."""
    found: dict[Place, Finding] = {}
    for collector in levels.of_accounts(draft):
        place, rows = _page_size(draft, collector)
        if rows * _RECORD_BYTES > largest:
            message = (
                f"a page of {rows} records has about {sizes.write(rows * _RECORD_BYTES)}, and an answer may have "
                f"{sizes.write(largest)}: lower page_size, or raise limits.max_response_bytes or the memory limit"
            )
            found.setdefault(place, Finding(place, message))
    yield from found.values()


def _page_size(draft: Draft, collector: levels.Levels) -> tuple[Place, int]:
    """Return the place where a collector's page size is set, and its value; 0 for an invalid one."""
    for place in ((*level, "page_size") for level in collector):
        value = draft.get(*place)
        if place in draft.wrong:
            return place, 0
        if isinstance(value, int):
            return place, value
    return ("limits", "max_response_bytes"), int(schema.Tuning.model_fields["page_size"].default)


def _wanted(draft: Draft) -> ConfiguredLimits:
    """Return the limits that are set and valid."""

    def number(key: str) -> int | None:
        value = draft.get("limits", key)
        return value if isinstance(value, int) else None

    size = draft.text("limits", "max_response_bytes")
    return ConfiguredLimits(
        number("max_workers"), None if size is None else sizes.parse(size), number("max_connections")
    )


def _answer_bytes(resources: Resources) -> int:
    return min(_MOST_ANSWER_BYTES, resources.memory // _MEMORY_PER_ANSWER_BYTE)


def _largest_response(resources: Resources) -> int:
    """Return the bytes of an answer that can be decoded beside what the program and other answers take."""
    return (resources.memory - _OWN_MEMORY - _answer_bytes(resources)) // _DECODED


def _for_workers(workers: int) -> int:
    """Return the file descriptors that so many workers need."""
    return workers * DESCRIPTORS_PER_WORKER


def _for_clients(clients: int) -> int:
    """Return the file descriptors that so many clients need."""
    return clients + max(1, clients // _CLIENTS_TO_SPARE)


def _clients_of(descriptors: int) -> int:
    """Return the number of clients for which so many file descriptors are enough."""
    return min(descriptors - 1, descriptors * _CLIENTS_TO_SPARE // (_CLIENTS_TO_SPARE + 1))
