"""Two real replicas on a real PostgreSQL: each one's pages tell of both."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.demo.items import invocation
from tests.support import postgres
from tests.support.html_reader import Reader
from tests.support.patience import eventually
from tests.support.program import get, running
from tests.support.rig import TOKEN, Rig
from tests.support.webhooks import KEY, post

pytestmark = pytest.mark.programs


def found(url: str, query: str = "") -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(get(f"{url}/failures?format=json{query}"))["failures"]
    return records


def listed(url: str) -> list[tuple[str, str, tuple[str, ...], str]]:
    return sorted((each["account"], each["id"], tuple(each["destinations"]), each["alert"]) for each in found(url))


def test_each_replica_lists_the_failures_of_all_accounts_and_names_the_other(rig: Rig, tmp_path: Path) -> None:
    server = postgres.shared()
    database = server.database()
    names = [f"a{number}" for number in range(4)]
    (tmp_path / "secret").write_bytes(KEY)
    common = {"system": "inkit", "base_url": rig.mock_api.url, "api_token": TOKEN, "webhook": {"secret_file": "secret"}}
    accounts = [{"name": name, **common} for name in names]
    path = tmp_path / "config.yaml"
    state = {"url": server.url(database)}
    path.write_text(json.dumps({"poll_interval": "1s", "stale_after": "1m", "state": state, "accounts": accounts}))
    flag = f"--config.file={path}"
    with running([flag]) as (_, first), running([flag]) as (_, second):

        def shares() -> list[set[str]]:
            pages = (get(f"{url}/metrics") for url in (first, second))
            ready = 'batch_exporter_backfilling{{account="{}",collector="invocations",system="inkit"}} 0.0'
            return [{name for name in names if ready.format(name) in page} for page in pages]

        eventually(lambda: sorted(map(len, shares())) == [2, 2])
        rig.world.add("invocations", invocation("rend_1", time.time(), destinations={"box": "Failed"}))
        expected = [(name, "rend_1", ("box",), "InkitGenerationFailed") for name in names]
        for url in (first, second):
            eventually(lambda url=url: listed(url) == expected)  # type: ignore[misc]
            assert {each["account"] for each in found(url, "&account=a1")} == {"a1"}
        for url, owned in zip((first, second), shares(), strict=True):
            # A webhook is for the replica that owns the account.
            assert {name for name in names if post(url, f"/webhooks/{name}") == 202} == owned
            assert {post(url, f"/webhooks/{name}") for name in names if name not in owned} == {503}
        page = get(f"{first}/")
        assert "2 of its share of 2" in page
        assert "<h2>Replicas</h2>" in page
        server.drop(database)
        eventually(lambda: "does not answer since 20" in " ".join(Reader(get(f"{first}/")).text.split()))
        eventually(lambda: "other_replicas_missing" in json.loads(get(f"{first}/failures?format=json")))
