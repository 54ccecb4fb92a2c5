"""`batch-exporter demo`: the exporter against a bundled mock API of both APIs, whose data moves, fails and hangs."""

import argparse
import errno
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from exporter.cli.flags import Misused
from exporter.cli.load_config import systems
from exporter.cli.serve import serve
from exporter.config import load
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.packagex.files import FileStore
from exporter.demo.packagex.simulation import PackagexSimulation
from exporter.demo.server import MockApi
from exporter.demo.simulation import Simulation
from exporter.demo.world import World
from exporter.polling.reload import Loading
from exporter.web.server.server import ListenError

_TOKEN = "demo-token"  # noqa: S105 (a word that opens nothing)
_KEY = "demo-key"
_STEP_SECONDS = 1.0
_CONFIG = """\
poll_interval: 5s
stale_after: 1m
state: {{path: {folder}/demo.db}}
accounts:
  - name: demo
    system: inkit
    base_url: {url}
    api_token: {token}
    workflow_label: true
  - name: logistics
    system: packagex
    base_url: {url}
    api_token: {key}
"""


class _Simulation(Protocol):
    """The records of one API, which change as time passes."""

    def step(self, now: float) -> None: ...


def run(given: argparse.Namespace) -> bool:
    """Run the mock API, and the exporter beside it unless told otherwise, until SIGTERM or SIGINT."""
    rng = random.Random()
    world, batches = World(rng), Batches(rng)
    life, packagex_life = Simulation(world, rng), PackagexSimulation(batches, rng)
    life.history(time.time())
    packagex_life.history(time.time())
    stop = threading.Event()
    try:
        apis = (PackagexApi(batches, _KEY), FileStore(batches))
        made = MockApi(world, _TOKEN, port=given.api_port, apis=apis)
    except OSError as error:
        raise ListenError(
            f"the mock APIs cannot listen on port {given.api_port}: {error.strerror}; {_other_ports()}",
            passing=error.errno == errno.EADDRINUSE,
        ) from error
    with made as mock_api:
        threading.Thread(target=_live, args=((life, packagex_life), stop), name="life", daemon=True).start()
        try:
            return _api_only(mock_api, stop) if given.api_only else _with_exporter(given, mock_api)
        finally:
            stop.set()


def _live(lives: Sequence[_Simulation], stop: threading.Event) -> None:
    while not stop.wait(_STEP_SECONDS):
        for life in lives:
            life.step(time.time())


def _api_only(mock_api: MockApi, stop: threading.Event) -> bool:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    print(f"The mock API serves Inkit's API and PackageX's at {mock_api.url}. Try:")
    print(f"  curl -H 'X-Inkit-API-Token: {_TOKEN}' '{mock_api.url}/batch?page_size=2'")
    print(f"  curl -H 'PX-API-KEY: {_KEY}' '{mock_api.url}/batches?limit=2'", flush=True)
    stop.wait()
    return True


def _with_exporter(given: argparse.Namespace, mock_api: MockApi) -> bool:
    try:
        made = tempfile.TemporaryDirectory(prefix="batch-exporter-")
    except OSError as error:
        raise Misused(
            "the demo keeps its files in a temporary folder, and none can be made: "
            f"set TMPDIR to a folder that can be written ({error.strerror})"
        ) from error
    with made as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(_CONFIG.format(folder=folder, url=mock_api.url, token=_TOKEN, key=_KEY))

        def started(port: int) -> None:
            print("Nothing of this is real: a mock API plays Inkit (account demo) and PackageX (account logistics)")
            print(f"at {mock_api.url}.")
            print(f"  who is being polled, and how it goes   http://localhost:{port}/")
            print(f"  which records have failed              http://localhost:{port}/failures")
            print(f"  the metrics                            http://localhost:{port}{given.telemetry_path}")
            print(f"For other ports, {_other_ports()}")
            print("Ctrl-C ends it.", flush=True)

        try:
            return serve(given, Loading(lambda: load(path, systems(), {}), str(path)), started)
        except ListenError as error:
            raise ListenError(f"{error}; {_other_ports()}", passing=error.passing) from error


def _other_ports() -> str:
    """The command for other ports, as it was called: it may not be on the PATH."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "batch-exporter" else "batch-exporter"
    return f"run: {called} demo --web.listen-address=:10987 --api-port=10988"
