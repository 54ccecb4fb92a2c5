"""The program receives webhooks: a failure is known at once, however long the interval of polls is."""

import json
import signal
import time
import urllib.request
from pathlib import Path

from exporter.demo.items import document_batch, generations
from tests.support import patience
from tests.support.patience import GENEROUS
from tests.support.program import eventually, get, run, running
from tests.support.rig import TOKEN, Rig
from tests.support.webhooks import KEY, post

FAILED = {"sepire": generations(1, failed=1)}


def configuration(rig: Rig, folder: Path, *webhooks: str) -> str:
    (folder / "secret").write_bytes(KEY)
    account = {"system": "inkit", "base_url": rig.mock_api.url, "api_token": TOKEN}
    accounts = [
        {**account, "name": name, "webhook": {"secret_file": "secret"} if name in webhooks else None}
        for name in ("production", "a/b")
    ]
    path = folder / "config.yaml"
    path.write_text(json.dumps({"poll_interval": "5m", "state": {"path": "serve.db"}, "accounts": accounts}))
    return f"--config.file={path}"


def test_a_failure_is_known_at_once_and_a_reload_brings_and_takes_webhooks(rig: Rig, tmp_path: Path) -> None:
    file = configuration(rig, tmp_path)
    with running([file, "--web.enable-lifecycle"]) as (process, url):
        for account in ("production", "a/b"):
            eventually(f"{url}/metrics", f'_up{{account="{account}",collector="invocations",system="inkit"}} 1.0')
        assert post(url, "/webhooks/production") == 404
        assert "batch_exporter_webhooks" not in get(f"{url}/metrics")
        configuration(rig, tmp_path, "production", "a/b")
        asked = len(rig.mock_api.requests)
        urllib.request.urlopen(urllib.request.Request(f"{url}/-/reload", method="POST"), timeout=GENEROUS)
        eventually(f"{url}/metrics", 'batch_exporter_webhooks_total{account="production",result="accepted"} 0.0')
        # Both accounts have started over: those polls do not find what happens now.
        patience.eventually(lambda: len(rig.mock_api.requests) >= asked + 6)
        for record, account, path in (
            ("rb_1", "production", "/webhooks/production"),
            ("rb_2", "a/b", "/webhooks/a%2Fb"),
        ):
            rig.world.add("document_batches", document_batch(record, time.time(), destinations=FAILED))
            assert post(url, path, b"wrong") == 401
            assert post(url, path) == 202
            eventually(f"{url}/failures?format=json&account={account.replace('/', '%2F')}", record)
        shown = get(f"{url}/metrics")
        for account in ("production", "a/b"):
            assert f'batch_exporter_webhooks_total{{account="{account}",result="accepted"}} 1.0' in shown
            assert f'batch_exporter_webhooks_total{{account="{account}",result="unauthorized"}} 1.0' in shown
        configuration(rig, tmp_path, "a/b")
        process.send_signal(signal.SIGHUP)
        patience.eventually(lambda: 'account="production",result="accepted"' not in get(f"{url}/metrics"))
        assert post(url, "/webhooks/production") == 401
        assert post(url, "/webhooks/a%2Fb") == 202


def test_check_says_where_webhooks_are_received(rig: Rig, tmp_path: Path) -> None:
    file = configuration(rig, tmp_path, "a/b")
    done = run("check", file)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["a/b: webhooks at POST /webhooks/a%2Fb"])
    assert json.loads(run("check", "--json", file).stdout)["webhooks"] == {"a/b": "/webhooks/a%2Fb"}
    (tmp_path / "secret").write_text("\n")
    for command in ("check", "serve"):
        done = run(command, file)
        assert done.returncode == 2
        assert "accounts[1].webhook.secret_file: the secret is empty" in done.stderr
