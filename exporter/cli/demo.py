"""`batch-exporter demo`: run the exporter with mock APIs, whose records change, fail and get stuck."""

import argparse
import errno
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from exporter.cli.demo_replicas import check_flags, programs, run_replicas
from exporter.cli.flags import UsageError
from exporter.cli.load_config import systems
from exporter.cli.serve import Signals, catch_signals, serve
from exporter.config import load
from exporter.config.resources import available
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.simulation import PackagexSimulation
from exporter.demo.rate_limit import RateLimit
from exporter.demo.server import MockApi
from exporter.demo.simulation import Simulation
from exporter.demo.world import World
from exporter.polling.reload import Loading
from exporter.web.server.listen import ListenError

_TOKEN = "demo-token"  # noqa: S105 (accepted by the mock API only)
_KEY = "demo-key"
_STEP_SECONDS = 1.0
_REQUESTS_A_MINUTE = 1000
"""The rate limit that the mock APIs state. The demo uses some of it."""
_INTERVALS = """\
poll_interval: 5s
stale_after: 1m
"""
_ACCOUNTS = """\
  - name: demo{number}
    system: inkit
    base_url: {url}
    api_token: {token}
    workflow_label: true
  - name: logistics{number}
    system: packagex
    base_url: {url}
    api_token: {key}
"""


class _Simulation(Protocol):
    """The records of one API, which change as time passes."""

    def step(self, now: float) -> None: ...


def run(args: argparse.Namespace) -> bool:
    """Run the mock APIs, and the exporters unless `--api-only` is given, until SIGTERM, SIGINT or SIGHUP."""
    if args.replicas > 1:
        check_flags(args)
        programs()
    rng = random.Random()
    world, batches = World(rng), Batches(rng)
    inkit, packagex = Simulation(world, rng), PackagexSimulation(batches, rng)
    inkit.history(time.time())
    packagex.history(time.time())
    stop = threading.Event()
    try:
        apis = (PackagexApi(batches, _KEY), FileStore(batches))
        listening = MockApi(
            world, _TOKEN, port=args.api_port, apis=apis, rate_limit=RateLimit(_REQUESTS_A_MINUTE, 60.0)
        )
    except OSError as error:
        # Python adds the address to `strerror`, in its own notation.
        message = os.strerror(error.errno) if error.errno else error.strerror
        raise ListenError(
            f"the mock APIs cannot listen on port {args.api_port}: {message}; {_other_ports(args)}",
            passing=error.errno == errno.EADDRINUSE,
        ) from error
    # Check the flags before creating anything that must be deleted at the end.
    signals = catch_signals(reload=False)
    with listening as mock_api:
        threading.Thread(target=_simulate, args=((inkit, packagex), stop), name="simulation", daemon=True).start()
        try:
            return _api_only(mock_api, signals) if args.api_only else _with_exporter(args, mock_api, signals)
        finally:
            stop.set()


def _simulate(simulations: Sequence[_Simulation], stop: threading.Event) -> None:
    while not stop.wait(_STEP_SECONDS):
        for simulation in simulations:
            simulation.step(time.time())


def _api_only(mock_api: MockApi, signals: Signals) -> bool:
    print(f"The mock API serves Inkit's API and PackageX's at {mock_api.url}. Try:")
    print(f"  curl -H 'X-Inkit-API-Token: {_TOKEN}' '{mock_api.url}/batch?page_size=2'")
    print(f"  curl -H 'PX-API-KEY: {_KEY}' '{mock_api.url}/batches?limit=2'", flush=True)
    signals.stops.get()
    return True


def _with_exporter(args: argparse.Namespace, mock_api: MockApi, signals: Signals) -> bool:
    try:
        temporary = tempfile.TemporaryDirectory(prefix="batch-exporter-")
    except OSError as error:
        raise UsageError(
            "the demo cannot make a temporary folder for its files: "
            f"set TMPDIR to a folder that can be written ({error.strerror})"
        ) from error
    with temporary as folder:
        if args.replicas > 1:
            accounts = "".join(
                _ACCOUNTS.format(number=f"-{number}", url=mock_api.url, token=_TOKEN, key=_KEY)
                for number in range(1, args.replicas + 1)
            )
            return run_replicas(args, Path(folder), f"{_INTERVALS}accounts:\n{accounts}", signals)
        path = Path(folder) / "config.yaml"
        path.write_text(
            f"{_INTERVALS}state: {{path: {folder}/demo.db}}\naccounts:\n"
            + _ACCOUNTS.format(number="", url=mock_api.url, token=_TOKEN, key=_KEY)
        )

        def started(port: int) -> None:
            print("All data is invented: a mock API serves Inkit (account demo) and PackageX (account logistics)")
            print(f"at {mock_api.url}.")
            print(f"  overview: accounts and polls   http://localhost:{port}/")
            print(f"  failed records                 http://localhost:{port}/failures")
            print(f"  metrics                        http://localhost:{port}{args.telemetry_path}")
            print(f"For other ports, {_other_ports(args)}")
            print("Ctrl-C ends it.", flush=True)

        try:
            return serve(
                args, Loading(lambda: load(path, systems(), {}, resources=available()), str(path)), signals, started
            )
        except ListenError as error:
            raise ListenError(f"{error}; {_other_ports(args)}", passing=error.passing) from error


def _other_ports(args: argparse.Namespace) -> str:
    """Return the command for other ports, with the program's name as it was called: it may not be on the PATH."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "batch-exporter" else "batch-exporter"
    api_port = 10988 if args.api_port != 10988 else 10998
    if args.api_only:
        return f"run: {called} demo --api-only --api-port={api_port}"
    given = args.listen_address[0]
    host, _, port = ("", "", "") if "/" in given else given.rpartition(":")  # A slash: a Unix socket or VSOCK.
    address = f"{host}:{10987 if port != '10987' else 10997}"
    return f"run: {called} demo --web.listen-address={address} --api-port={api_port}"
