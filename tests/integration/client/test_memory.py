"""Records that are larger than expected: what they cost in memory, in a real process."""

import http.server
import json
import re
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from exporter.demo.items import invocation
from tests.support.program import PATH

MIB = 1024 * 1024
RECORD_BYTES = 414 * 1024
RECORDS = 330


class _Handler(http.server.BaseHTTPRequestHandler):
    """Lists invocations as the API does, their text in UTF-8."""

    protocol_version = "HTTP/1.1"
    server: "Large"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        given = dict(parse_qsl(url.query))
        number, rows = int(given.get("page", 1)), int(given.get("page_size", 25))
        of_list = self.server.items if url.path == "/invoke" else []
        some = of_list[(number - 1) * rows : number * rows]
        pages = -(-len(of_list) // rows)
        pagination = {"page": number, "next_page": number + 1 if number < pages else None, "page_count": pages}
        metadata = json.dumps({"pagination": {**pagination, "page_size": rows, "total_count": len(of_list)}})
        body = b'{"items": [' + b",".join(some) + b'], "metadata": ' + metadata.encode() + b"}"
        if url.path == "/invoke":
            self.server.pages.append(len(body))
        self.send_response(200)
        if self.server.compress:
            body = zlib.compress(body, 1)
            self.send_header("Content-Encoding", "deflate")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


class Large(http.server.ThreadingHTTPServer):
    """Has invocations with that much text each."""

    daemon_threads = True

    def __init__(self, text: str, compress: bool, records: int = RECORDS, record_bytes: int = RECORD_BYTES) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        now = time.time()
        filler = {"field": text[0] * (record_bytes // len(text[0].encode())) + text[1:]}
        made = (invocation(f"rend_{number}", now - number, merge_parameters=filler) for number in range(records))
        self.items = [json.dumps(item, ensure_ascii=False).encode() for item in made]
        self.compress = compress
        self.pages: list[int] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that abort a response: the test makes them do so."""


@contextmanager
def serving(text: str, compress: bool, *size: int) -> Iterator[Large]:
    with Large(text, compress, *size) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


WATCHED = """
import re, sys
from exporter.__main__ import main
try:
    main()
finally:
    found = re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())
    open(sys.argv[-1].partition("=")[2] + ".peak", "w").write(found[1])
"""


def run(config: Path) -> tuple[int, str]:
    """Poll all collectors once. Returns the most memory that it took, in bytes, and the metrics."""
    command = [sys.executable, "-c", WATCHED, "once", f"--config.file={config}"]
    done = subprocess.run(command, env=PATH, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    assert done.returncode == 0
    return int(Path(f"{config}.peak").read_text()) * 1024, done.stdout


@pytest.mark.parametrize(
    ("text", "accounts", "compress"),
    [
        pytest.param("x", 3, False, id="three-accounts", marks=pytest.mark.slow),
        pytest.param("x", 1, True, id="compressed"),
        pytest.param("漢", 1, True, id="two-bytes-a-letter-compressed", marks=pytest.mark.slow),
        pytest.param("x😀", 1, False, id="four-bytes-a-letter"),
    ],
)
def test_the_memory_that_large_records_take_is_bounded(
    tmp_path: Path, text: str, accounts: int, compress: bool
) -> None:
    config = tmp_path / "config.yaml"
    with serving(text, compress) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        given = [{"name": f"a{n}", "system": "inkit", "base_url": url, "api_token": "t"} for n in range(accounts)]
        common = {"state": {"path": None}, "max_requests_per_second": 100, "request_timeout": "60s"}
        config.write_text(json.dumps({**common, "accounts": given}))
        most, shown = run(config)
    counted = re.findall(r"^inkit_invocations\{.* (\S+)$", shown, re.MULTILINE)
    assert sum(map(float, counted)) == accounts * RECORDS
    assert most < 256 * MIB
    large = [size for size in server.pages if size > 16 * MIB]
    assert len(large) <= 2 * accounts, "pages become smaller after a large one"


@pytest.mark.slow
def test_many_accounts_with_large_pages_take_turns(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    with serving("x", False, 150, 100 * 1024) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        given = [{"name": f"a{n}", "system": "inkit", "base_url": url, "api_token": "t"} for n in range(20)]
        config.write_text(json.dumps({"state": {"path": None}, "request_timeout": "60s", "accounts": given}))
        most, shown = run(config)
    counted = re.findall(r"^inkit_invocations\{.* (\S+)$", shown, re.MULTILINE)
    assert sum(map(float, counted)) == 20 * 150
    assert sum(10 * MIB * 0.9 < size < 11 * MIB for size in server.pages) >= 20
    assert most < 192 * MIB
