"""`batch-exporter serve`: poll and serve until stopped."""

import argparse
import contextlib
import itertools
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from exporter import __version__
from exporter.cli.load_config import configuration, log_limits, log_warnings, revision, web_configuration
from exporter.cli.sd_notify import ServiceManager
from exporter.cli.webhooks import made as made_webhooks
from exporter.client.memory_budget import return_memory, save_memory
from exporter.config import Config
from exporter.exposition.catalog import catalog
from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.polling.build import request_limits
from exporter.polling.reload import Asked, Loading, Reloader
from exporter.polling.running import Parts, of_database, of_file
from exporter.polling.scheduler import Scheduler
from exporter.systems import families
from exporter.web.app import App
from exporter.web.config import WebConfigFile
from exporter.web.routes import Probes
from exporter.web.server.connection import limits_within
from exporter.web.server.listen import first_port, listen, name_of
from exporter.web.server.server import Server
from exporter.web.server.systemd import inherited

log = logging.getLogger(__name__)

STOP_WITHIN_SECONDS = 1.0
_SERVER_CHECK_SECONDS = 1.0
_RETURN_MEMORY_EVERY = 60
"""Checks of the server between two times that free memory is returned to the system."""


class Signals(NamedTuple):
    """Queues of the signals received."""

    stops: queue.SimpleQueue[int]
    reloads: Asked
    dumps: queue.SimpleQueue[int]


def run(args: argparse.Namespace) -> bool:
    """Serve with the configuration that the command line names."""
    file = None if args.config_file is None else str(args.config_file)
    return serve(args, Loading(lambda: log_warnings(configuration(args)), file))


def catch_signals(*, reload: bool) -> Signals:
    """Handle SIGTERM, SIGINT, SIGHUP and SIGUSR1 from now on. SIGHUP reloads or, without `reload`, stops the program.

    A SIGHUP that would stop the program stays ignored where it was (nohup).
    """
    # To put something into a queue is all that a handler may safely do, whatever it interrupts.
    signals = Signals(queue.SimpleQueue(), queue.SimpleQueue(), queue.SimpleQueue())
    stopping = [signal.SIGTERM, signal.SIGINT]
    if reload:
        signal.signal(signal.SIGHUP, lambda *_: signals.reloads.put(Future()))
    elif signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        stopping.append(signal.SIGHUP)
    signal.signal(signal.SIGUSR1, lambda number, _: signals.dumps.put(number))
    for number in stopping:
        signal.signal(number, lambda number, _: signals.stops.put(number))
    return signals


def serve(
    args: argparse.Namespace,
    loading: Loading,
    signals: Signals | None = None,
    started: Callable[[int], None] | None = None,
) -> bool:
    """Serve until a signal says to stop. Return False if the web server failed before.

    `signals` are by default those that stop and reload. `started` is called with the port once requests are answered.
    Raises ConfigError for both configurations, ListenError for an address that is not available, and StateError.
    """
    signals = signals or catch_signals(reload=True)
    save_memory()
    config = loading.load()
    web = web_configuration(args)
    addresses = args.listen_address
    sockets = (
        inherited(os.environ) if args.systemd_socket else [opened for each in addresses for opened in listen(each)]
    )
    threading.excepthook = _log_dead_thread
    store = SnapshotStore()
    self_metrics = SelfMetrics(__version__, revision(), store, of_process=not args.disable_exporter_metrics)
    scheduler = Scheduler(config.bounds.workers)
    self_metrics.watch(scheduler.workers.most, lambda: scheduler.workers.busy, lambda: scheduler.overdue)
    parts = Parts(store, self_metrics, scheduler, request_limits(config.bounds), lambda: not signals.stops.empty())
    polling = of_file(config.state_path, parts) if config.database is None else of_database(config.database, parts)
    with polling as running:
        manager = ServiceManager()
        webhooks, receive = made_webhooks(running.poll, self_metrics.webhooks)
        receive(config.accounts)
        reloader = Reloader(
            signals.reloads,
            loading,
            config,
            running.accounts,
            self_metrics,
            manager.reloading,
            manager.ready,
            receive,
        )
        probes = Probes(
            lambda: running.accounts.healthy() and reloader.alive(),
            running.not_ready,
            reloader.failed,
            running.replicas,
            running.elsewhere,
        )
        app = App(
            Exposition(store, catalog(families()), self_metrics.registry),
            store,
            probes,
            telemetry_path=args.telemetry_path,
            reload=reloader.ask if args.enable_lifecycle else None,
            max_requests=args.max_requests,
            webhooks=webhooks,
        )
        server = Server(app, sockets, limits_within(config.bounds), web, open_health=args.unauthenticated_health)
        running.accounts.start(config.accounts)
        server.start()
        manager.ready()
        reloader.start()
        _log_start(loading, config, sockets, web)
        if started is not None:
            started(first_port(sockets))
        stopped = _wait(signals, server, scheduler.log_all)
        log.info("stopping" if stopped else "the web server has ended unexpectedly")
        running.accounts.stop()
        manager.stopping()
        if not scheduler.engine.stop(STOP_WITHIN_SECONDS / 2):
            running.leave()
        server.stop(STOP_WITHIN_SECONDS)
    return stopped


def _log_start(loading: Loading, config: Config, sockets: Sequence[socket.socket], web: WebConfigFile | None) -> None:
    if web is not None:
        web.log_warnings()
    log_limits(config.bounds)
    extra = {"version": __version__, "address": ",".join(map(name_of, sockets)), "port": first_port(sockets)}
    extra |= {"tls": web is not None and web.config.tls is not None}
    state = str(config.state_path or "none") if config.database is None else config.database.url.shown()
    extra |= {"config": loading.file or "the environment", "state": state}
    log.info("serving", extra=extra | {"accounts": len(config.accounts)})


def _wait(signals: Signals, server: Server, dump: Callable[[], None]) -> bool:
    """Wait for a signal to stop, and call `dump` at each signal for it. Return False if the server ends before."""
    checks = itertools.count(1)
    while server.alive:
        with contextlib.suppress(queue.Empty):
            signals.stops.get(timeout=_SERVER_CHECK_SECONDS)
            return True
        with contextlib.suppress(queue.Empty):
            signals.dumps.get_nowait()
            dump()
        if next(checks) % _RETURN_MEMORY_EVERY == 0:
            return_memory()
    return False


def _log_dead_thread(died: threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread. Other collectors go on, and /-/healthy answers 503."""
    name = "?" if died.thread is None else died.thread.name
    log.error("a thread has died", extra={"thread_name": name}, exc_info=died.exc_value)
