"""`batch-exporter demo`: the exporter against a bundled stand-in of the API, whose data moves, fails and hangs."""

import argparse
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

from exporter.commands.configured import systems
from exporter.commands.serve import serve
from exporter.config import load
from exporter.demo.life import Life
from exporter.demo.server import StandIn
from exporter.demo.world import World
from exporter.web.server import ListenError

_TOKEN = "demo-token"  # noqa: S105 (a word that opens nothing)
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
"""


def run(given: argparse.Namespace) -> bool:
    """Run the stand-in, and the exporter beside it unless told otherwise, until SIGTERM or SIGINT."""
    rng = random.Random()
    world = World(rng)
    life = Life(world, rng)
    life.history(time.time())
    stop = threading.Event()
    try:
        made = StandIn(world, _TOKEN, port=given.api_port)
    except OSError as error:
        raise ListenError(
            f"the stand-in cannot listen on port {given.api_port}: {error.strerror}; choose an --api-port"
        ) from error
    with made as stand_in:
        threading.Thread(target=_live, args=(life, stop), name="life", daemon=True).start()
        try:
            return _api_only(stand_in, stop) if given.api_only else _with_exporter(given, stand_in)
        finally:
            stop.set()


def _live(life: Life, stop: threading.Event) -> None:
    while not stop.wait(_STEP_SECONDS):
        life.step(time.time())


def _api_only(stand_in: StandIn, stop: threading.Event) -> bool:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print(f"The stand-in serves {stand_in.url}; its token is {_TOKEN}. Try:")
    print(f"  curl -H 'X-Inkit-API-Token: {_TOKEN}' '{stand_in.url}/batch?page_size=2'", flush=True)
    stop.wait()
    return True


def _with_exporter(given: argparse.Namespace, stand_in: StandIn) -> bool:
    with tempfile.TemporaryDirectory(prefix="batch-exporter-") as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(_CONFIG.format(folder=folder, url=stand_in.url, token=_TOKEN))

        def started(port: int) -> None:
            print(f"Nothing of this is real: a stand-in of the API plays at {stand_in.url}.")
            print(f"  who is being polled, and how it goes   http://localhost:{port}/")
            print(f"  the metrics                            http://localhost:{port}{given.telemetry_path}")
            print("Ctrl-C ends it.", flush=True)

        return serve(given, load(path, systems(), {}), started)
