"""`batch-exporter serve`: poll and serve until told to stop."""

import argparse
import contextlib
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from exporter import __version__
from exporter.cli.load_config import configuration, logged, web_configuration
from exporter.cli.sd_notify import ServiceManager
from exporter.cli.version import revision
from exporter.config import Config
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.build import Shared, account_pipeline
from exporter.polling.reload import Asked, Loading, Reloader
from exporter.polling.supervisor import Supervisor
from exporter.state import prepared
from exporter.systems import families, sources
from exporter.web.app import App
from exporter.web.config import WebConfigFile
from exporter.web.server.listen import first_port, listen, name_of
from exporter.web.server.server import Server
from exporter.web.server.systemd import inherited

log = logging.getLogger(__name__)

STOP_WITHIN_SECONDS = 1.0
_LOOK_SECONDS = 1.0


def run(given: argparse.Namespace) -> bool:
    """Serve with the configuration the command line means."""
    file = None if given.config_file is None else str(given.config_file)
    return serve(given, Loading(lambda: logged(configuration(given)), file))


def serve(given: argparse.Namespace, loading: Loading, started: Callable[[int], None] | None = None) -> bool:
    """Serve until SIGTERM or SIGINT; reload at SIGHUP. `started` is told the port once there is an answer to be had.

    Raises ConfigError for both configurations, ListenError if an address can't be listened on, and StateError.
    """
    stops, asked = _signals()
    config = loading.load()
    web = web_configuration(given)
    addresses = given.listen_address
    sockets = inherited(os.environ) if given.systemd_socket else [one for each in addresses for one in listen(each)]
    threading.excepthook = _died
    board = SnapshotStore()
    live = SelfMetrics(__version__, revision(), board)
    with prepared(config.state_path) as state:
        shared = Shared(state, board, live)
        running = Supervisor(board, lambda account, known: account_pipeline(account, sources(), shared, known))
        manager = ServiceManager()
        reloading = Reloader(asked, loading, config, running, live, manager.reloading, manager.ready)
        app = App(
            Exposition(board, catalog(families()), live.registry),
            board,
            lambda: running.healthy() and reloading.alive(),
            running.ready,
            telemetry_path=given.telemetry_path,
            reload=reloading.ask if given.enable_lifecycle else None,
            reload_failed=reloading.failed,
        )
        server = Server(app, sockets, current=web)
        running.start(config.accounts)
        server.start()
        manager.ready()
        reloading.start()
        _tell(loading, config, sockets, web)
        if started is not None:
            started(first_port(sockets))
        stopped = _until_told(stops, server)
        log.info("stopping" if stopped else "the web server has ended by itself")
        manager.stopping()
        running.stop()
        server.stop(STOP_WITHIN_SECONDS)
    return stopped


def _tell(loading: Loading, config: Config, sockets: Sequence[socket.socket], web: WebConfigFile | None) -> None:
    if web is not None:
        web.log_warnings()
    extra = {"version": __version__, "address": ",".join(map(name_of, sockets)), "port": first_port(sockets)}
    extra |= {"tls": web is not None and web.config.tls is not None}
    extra |= {"config": loading.file or "the environment", "state": str(config.state_path or "none")}
    log.info("serving", extra=extra | {"accounts": len(config.accounts)})


def _signals() -> tuple[queue.SimpleQueue[int], Asked]:
    """Where SIGTERM and SIGINT, and reloads by SIGHUP, are to be found from now on.

    To put something in a queue is all that a signal's handler may do safely, whatever it has interrupted.
    """
    stops: queue.SimpleQueue[int] = queue.SimpleQueue()
    asked: Asked = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stops.put(number))
    signal.signal(signal.SIGHUP, lambda *_: asked.put(Future()))
    return stops, asked


def _until_told(stops: queue.SimpleQueue[int], server: Server) -> bool:
    """Wait until told to stop; False if the server ends before."""
    while server.alive:
        with contextlib.suppress(queue.Empty):
            stops.get(timeout=_LOOK_SECONDS)
            return True
    return False


def _died(what: threading.ExceptHookArgs) -> None:
    """A mistake of ours. The other collectors go on; /-/healthy says it, and the log what it was."""
    name = "?" if what.thread is None else what.thread.name
    error = what.exc_value
    log.error("a thread has died", extra={"died": name}, exc_info=error)
