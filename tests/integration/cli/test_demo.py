"""`batch-exporter demo` as a process: both APIs are played, and both accounts are polled."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

PROGRAM = (sys.executable, "-m", "exporter", "demo", "--api-port=0")


@contextmanager
def printed(*arguments: str, until: str) -> Iterator[str]:
    """What the demo prints, up to the line that has `until`, while it runs."""
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if until in line:
                break
        yield said
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_line_to_try_for_each_api_works() -> None:
    with printed("--api-only", until="/batches") as said:
        for key, line in zip(("items", "data"), re.findall("curl.*", said), strict=True):
            _, _, header, url = shlex.split(line)
            answer = requests.get(url, headers=dict([header.split(": ")]), timeout=10)
            assert len(answer.json()[key]) == 2


def test_both_accounts_are_named_and_polled() -> None:
    with printed("--web.listen-address=127.0.0.1:0", until="Ctrl-C") as said:
        assert "Inkit (account demo)" in said
        assert "PackageX (account logistics)" in said
        (metrics,) = re.findall(r"http://\S+/metrics", said)
        deadline = time.monotonic() + 20
        polled: set[str] = set()
        while polled != {"demo inkit", "logistics packagex"}:
            assert time.monotonic() < deadline, polled
            page = requests.get(metrics, timeout=10).text
            found = re.findall(r'batch_exporter_up\{account="(\w+)",.*system="(\w+)"\} 1.0', page)
            polled = {" ".join(one) for one in found}
