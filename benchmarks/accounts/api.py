"""A mock of Inkit's API that answers hundreds of requests a second from pages made beforehand, in a process of its own.

The mock API of `batch-exporter demo` keeps a world and renders each answer: it would be measured together with the
exporter. This one knows lists only. The first part of the path is the account, and the account's name says how it
answers: `slow-3` is answered as the behavior `slow` says.
"""

import asyncio
import itertools
import multiprocessing
import os
import random
import resource
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import parse_qs

from benchmarks.world import KINDS, item_models
from exporter.demo.items import PREFIXES, Item, Kind, iso, new_id
from exporter.demo.memory_store import compact

PATHS: Mapping[str, Kind] = {"batch": "document_batches", "invoke/batch": "workflow_batches", "invoke": "invocations"}
PAGE_SIZE = 100
_SPAN_SECONDS = 6 * 86_400.0
_YOUNGEST_SECONDS = 900.0
_IN_FLIGHT_EVERY = 10
"""Of the newest records; the older ones are finished."""
_IN_FLIGHT_AMONG = 60
_LIMIT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Behavior:
    """How the accounts of one name are answered."""

    records: int = 300
    padding: int = 0
    """Bytes that are added to each record."""
    workflows: int = 1
    """Names of workflows among the invocations: with the label `workflow` each has series of its own."""
    latency: float = 0.0
    """Seconds until an answer is sent."""
    hangs: bool = False
    """No answer is sent at all."""
    change: float = 0.0
    """The share of requests for a first page that find one new record."""


Polls = dict[tuple[str, Kind], list[float]]
"""When the first page of a list was requested, by account and list, in seconds of the monotonic clock."""


class MockApiProcess:
    """The API, seen from the benchmark."""

    def __init__(self, port: int, connection: "Connection[object, Polls]") -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._connection = connection

    def take_polls(self) -> Polls:
        """Return the polls since the last call."""
        self._connection.send(None)
        return self._connection.recv()


@contextmanager
def serving(behaviors: Mapping[str, Behavior], cores: Collection[int]) -> Iterator[MockApiProcess]:
    """Serve accounts with these names' beginnings until the end, from a process of its own, on these cores."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    worker = spawning.Process(target=_serve, args=(theirs, dict(behaviors), frozenset(cores)), daemon=True)
    worker.start()
    theirs.close()
    try:
        port = ours.recv()
        assert isinstance(port, int)
        yield MockApiProcess(port, ours)
    finally:
        ours.close()
        worker.join(10.0)


def _serve(connection: "Connection[object, object]", behaviors: Mapping[str, Behavior], cores: Collection[int]) -> None:
    os.sched_setaffinity(0, cores)
    # Each account may keep several connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_answer(connection, Lists(behaviors, time.time())))


async def _answer(connection: "Connection[object, object]", lists: "Lists") -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(lists, loop), "127.0.0.1", 0, backlog=4096)
    ended = asyncio.Event()

    def report() -> None:
        try:
            connection.recv()
            connection.send(lists.take_polls())
        except (EOFError, OSError):
            ended.set()

    loop.add_reader(connection.fileno(), report)
    connection.send(server.sockets[0].getsockname()[1])
    await ended.wait()


class _Connection(asyncio.Protocol):
    """A connection that is kept open, and one request after the other."""

    def __init__(self, lists: "Lists", loop: asyncio.AbstractEventLoop) -> None:
        self._lists = lists
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            target = head.split(b" ", 2)[1]
            behavior, answer = self._lists.answer(target)
            if behavior.hangs:
                continue
            if behavior.latency:
                self._loop.call_later(behavior.latency, self._send, answer)
            else:
                self._send(answer)
        if len(self._received) > _LIMIT_BYTES and self._transport is not None:
            self._transport.close()

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


@dataclass(slots=True)
class Lists:
    """All lists, as rows of bytes. Accounts share the rows that have not changed."""

    behaviors: Mapping[str, Behavior]
    now: float
    _rows: dict[tuple[str, Kind], list[bytes]] = field(default_factory=dict)
    _by_id: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _new: defaultdict[tuple[str, Kind], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _pages: dict[tuple[str, Kind, int, int], bytes] = field(default_factory=dict)
    """Answers of accounts whose list has not changed: by name, list, page and page size."""
    _polls: defaultdict[tuple[str, Kind], list[float]] = field(default_factory=lambda: defaultdict(list))
    _rng: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        for prefix, behavior in self.behaviors.items():
            for kind in KINDS:
                rows = {item["id"]: compact(item) for item in _items(kind, behavior, self.now, self._rng)}
                self._rows[prefix, kind] = [*rows.values()]
                self._by_id.update({(prefix, record_id): row for record_id, row in rows.items()})

    def answer(self, target: bytes) -> tuple[Behavior, bytes]:
        """Return how to answer a request for this path with its query, and the answer's bytes."""
        path, _, query = target.decode().partition("?")
        account, _, endpoint = path.lstrip("/").partition("/")
        prefix = account.partition("-")[0]
        behavior, params = self.behaviors.get(prefix), parse_qs(query)
        if behavior is None:
            return Behavior(), _NOT_FOUND
        if endpoint not in PATHS:
            parent, _, record_id = endpoint.rpartition("/")
            row = self._by_id.get((prefix, record_id)) if parent in PATHS else None
            return behavior, _NOT_FOUND if row is None else _response(200, [row])
        kind = PATHS[endpoint]
        if "data_id" in params:
            found = (self._by_id.get((prefix, record_id)) for record_id in params["data_id"][0].split(","))
            return behavior, _page([row for row in found if row is not None], 1, PAGE_SIZE)
        number, size = int(params.get("page", ["1"])[0]), int(params.get("page_size", ["25"])[0])
        if number == 1:
            self._polls[account, kind].append(time.monotonic())
            if self._rng.random() < behavior.change:
                self._new[account, kind].insert(0, self._new_row(kind, behavior))
        return behavior, self._page(account, prefix, kind, number, min(size, PAGE_SIZE))

    def take_polls(self) -> Polls:
        """Return the polls since the last call."""
        polls = dict(self._polls)
        self._polls.clear()
        return polls

    def _page(self, name: str, prefix: str, kind: Kind, number: int, size: int) -> bytes:
        new = self._new.get((name, kind))
        if new:
            return _page([*new, *self._rows[prefix, kind]], number, size)
        key = (prefix, kind, number, size)
        if key not in self._pages:
            self._pages[key] = _page(self._rows[prefix, kind], number, size)
        return self._pages[key]

    def _new_row(self, kind: Kind, behavior: Behavior) -> bytes:
        finished, _ = item_models(kind)
        made = new_id(self._rng, PREFIXES[kind])
        named = _named(kind, self._rng.randrange(behavior.workflows))
        return compact({**self._rng.choice(finished), **named, "id": made, "created_at": iso(time.time())})


def _page(rows: Sequence[bytes], number: int, size: int) -> bytes:
    pages = -(-len(rows) // size)
    following = number + 1 if number < pages else "null"
    before = number - 1 if number > 1 else "null"
    metadata = (
        f'{{"pagination":{{"current_page":{number},"next_page":{following},"page_count":{pages},"page_size":{size},'
        f'"prev_page":{before},"total_count":{len(rows)}}},"sort":{{"key":"created_at","order":1}}}}'
    )
    body = b",".join(rows[(number - 1) * size : number * size])
    return _response(200, [b'{"items":[', body, b'],"metadata":', metadata.encode(), b"}"])


def _response(status: int, body: Sequence[bytes]) -> bytes:
    reason = {200: "OK", 404: "Not Found"}[status]
    head = (
        f"HTTP/1.1 {status} {reason}\r\nServer: nginx\r\n"
        f"Content-Type: application/json\r\nContent-Length: {sum(map(len, body))}\r\n"
        "Connection: keep-alive\r\nVary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\n"
        "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\r\n"
    )
    return b"".join([head.encode(), *body])


_NOT_FOUND = _response(404, [b'{"message":"Not found","status":404}'])


def _items(kind: Kind, behavior: Behavior, now: float, rng: random.Random) -> Iterator[Item]:
    finished, in_flight = item_models(kind)
    step = _SPAN_SECONDS / max(1, behavior.records)
    models = itertools.cycle(finished)
    text = "x" * behavior.padding
    padding = {"merge_parameters": {"body": text}} if kind == "invocations" else {"name": text}
    for place in range(behavior.records):
        is_open = place < _IN_FLIGHT_AMONG and place % _IN_FLIGHT_EVERY == 0
        model = in_flight[0] if is_open else next(models)
        created = iso(now - _YOUNGEST_SECONDS - place * step)
        own = {**_named(kind, place % behavior.workflows), **(padding if text else {})}
        yield {**model, **own, "id": new_id(rng, PREFIXES[kind]), "created_at": created}


def _named(kind: Kind, workflow: int) -> Item:
    """Return the name of one of the workflows, for an invocation."""
    return {"flow_name": f"Welcome letter {workflow}"} if kind == "invocations" and workflow else {}
