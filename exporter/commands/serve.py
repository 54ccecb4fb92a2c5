"""`batch-exporter serve`: poll and serve until told to stop."""

import argparse
import logging
import signal
import threading
from collections.abc import Callable

from exporter import __version__
from exporter.assembly import Shared, pollers
from exporter.commands.configured import configuration
from exporter.config import Config
from exporter.exposition import Exposition
from exporter.metrics import Live, catalogue
from exporter.revision import revision
from exporter.running import Running
from exporter.snapshot import Board
from exporter.sources import sources
from exporter.state import prepared
from exporter.web.app import App
from exporter.web.server import Server, listen

log = logging.getLogger(__name__)

STOP_WITHIN_SECONDS = 1.0
_LOOK_SECONDS = 1.0


def run(given: argparse.Namespace) -> bool:
    """Serve with the configuration the command line means."""
    return serve(given, configuration(given))


def serve(given: argparse.Namespace, config: Config, started: Callable[[int], None] | None = None) -> bool:
    """Serve until SIGTERM or SIGINT. `started` is told the port once there is an answer to be had.

    Raises ListenError if an address can't be listened on, and StateError.
    """
    sockets = [one for address in given.listen_address for one in listen(address)]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.excepthook = _died
    board, live = Board(), Live(__version__, revision())
    with prepared(config.state_path) as state:
        shared = Shared(state, board, live, stop.wait)
        running = Running([one for account in config.accounts for one in pollers(account, sources(), shared)], stop)
        exposition = Exposition(board, catalogue(sources().values()), live.registry)
        app = App(exposition, board, running.healthy, running.ready, telemetry_path=given.telemetry_path)
        server = Server(app, sockets)
        running.start()
        server.start()
        port = sockets[0].getsockname()[1]
        extra = {"version": __version__, "address": ",".join(given.listen_address), "port": port}
        extra |= {"config": str(given.config_file or "the environment"), "state": str(config.state_path or "none")}
        log.info("serving", extra=extra | {"accounts": len(config.accounts)})
        if started is not None:
            started(port)
        while server.alive and not stop.wait(_LOOK_SECONDS):
            pass
        log.info("stopping" if stop.is_set() else "the web server has ended by itself")
        server.stop(STOP_WITHIN_SECONDS)
    return stop.is_set()


def _died(what: threading.ExceptHookArgs) -> None:
    """A mistake of ours. The other collectors go on; /-/healthy says it, and the log what it was."""
    name = "?" if what.thread is None else what.thread.name
    error = what.exc_value
    log.error("a thread has died", extra={"died": name}, exc_info=error)
