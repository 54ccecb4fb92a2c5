"""A process that is killed, and one that goes on in its place: the failed records are listed by both."""

import json
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.items import invocation
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.program import config, eventually, get, running
from tests.support.rig import Rig

pytestmark = pytest.mark.slow

WATCHED = 'batch_exporter_backfilling{account="prod",collector="invocations",system="inkit"} 0.0'
PERSON = "CANARY-PERSON"
WORKFLOW = "<script>alert(1)</script>"


def failures(url: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/failures", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=GENEROUS) as answer:
        found: list[dict[str, Any]] = json.load(answer)["failures"]
    return found


def test_failed_records_are_listed_and_after_a_kill_they_still_are(rig: Rig, tmp_path: Path) -> None:
    destinations = {"box": "Failed", "sepire": "Completed"}
    with running([config(rig, tmp_path)]) as (process, url):
        eventually(f"{url}/metrics", WATCHED)
        rig.world.add(
            "invocations",
            invocation(
                "rend_1",
                time.time(),
                destinations=destinations,
                flow_name=WORKFLOW,
                merge_parameters={"name": PERSON},
                name=PERSON,
            ),
        )
        page = eventually(f"{url}/failures", 'id="rend_1"')
        assert WORKFLOW not in page
        before = failures(url)
        process.send_signal(signal.SIGKILL)
        process.wait()
    rig.mock_api.faults.add(faults.status(500))
    with running([config(rig, tmp_path)]) as (_, url):
        assert failures(url) == before
        (listed_before,) = before
        assert (listed_before["id"], listed_before["destinations"], listed_before["workflow"]) == (
            "rend_1",
            ["box"],
            WORKFLOW,
        )
        assert PERSON not in page + json.dumps(before) + get(f"{url}/failures") + get(url)
