"""A TCP proxy that hands on everything later, as a network between two machines does, in a process of its own."""

import asyncio
import contextlib
import multiprocessing
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection

_CHUNK_BYTES = 65_536


@contextlib.contextmanager
def delaying(port: int, seconds: float) -> Iterator[int]:
    """Yield a port behind which the one given answers, with so many seconds more in each direction."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    worker = spawning.Process(target=_serve, args=(theirs, port, seconds), daemon=True)
    worker.start()
    theirs.close()
    try:
        yield int(ours.recv())
    finally:
        ours.close()
        worker.join(10.0)


def _serve(connection: "Connection[object, object]", port: int, seconds: float) -> None:
    asyncio.run(_forward(connection, port, seconds))


async def _forward(connection: "Connection[object, object]", port: int, seconds: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At the end it is canceled, which streams would report as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await forward(reader, writer)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        for each in (writer, back):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(_direction(reader, back, seconds), _direction(there, writer, seconds))

    ended = asyncio.Event()
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    # It becomes readable when the other end is closed.
    asyncio.get_running_loop().add_reader(connection.fileno(), ended.set)
    connection.send(server.sockets[0].getsockname()[1])
    await ended.wait()


async def _direction(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Hand on what comes, each piece so many seconds after it came, until one end closes."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def hand_on() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                return
            writer.write(piece)

    handing = asyncio.ensure_future(hand_on())
    piece = b"-"
    with contextlib.suppress(OSError):
        while piece:
            piece = await reader.read(_CHUNK_BYTES)
            pieces.put_nowait((loop.time() + seconds, piece))
    if piece:
        pieces.put_nowait((loop.time() + seconds, b""))
    await handing
    writer.close()
