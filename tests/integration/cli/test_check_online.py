"""`batch-exporter check --online`: what it learns of each API, with few requests, and how it says that."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.online.learn import MOST_REQUESTS
from exporter.demo.faults import Faults, ListFaults
from exporter.demo.items import document_batch, invocation
from exporter.demo.listing import Readings
from exporter.demo.rate_limit import RateLimit
from exporter.demo.server import MockApi
from tests.support import faults
from tests.support.program import config, eventually, get, run, running
from tests.support.rig import HOUR, NOW, TOKEN, Rig

INVOCATIONS = "invocations"


def fill(rig: Rig, count: int = 60, newest: float = NOW) -> None:
    """Add so many records of each kind, an hour apart."""
    for number in range(count):
        at = newest - number * HOUR
        rig.world.add("document_batches", document_batch(f"rb_{number:03}", at))
        rig.world.add("invocations", invocation(f"rend_{number:03}", at))


def configured(url: str, folder: Path, more: str = "") -> str:
    path = folder / "config.yaml"
    account = f"{{name: prod, system: inkit, base_url: {url}, api_token: {TOKEN}, page_size: 10{more}}}"
    path.write_text(f"state: {{path: null}}\nmax_requests_per_second: 1000\naccounts: [{account}]\n")
    return f"--config.file={path}"


def checked(url: str, folder: Path, status: int = 0, more: str = "") -> dict[str, Any]:
    """Return the account from the JSON output. Asserts the exit status."""
    done = run("check", "--online", "--json", configured(url, folder, more))
    assert done.returncode == status, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is (status == 0)
    [account] = document["accounts"]
    return dict(account)


def collector(account: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in account["collectors"] if each["collector"] == name]
    return dict(found)


def test_it_says_what_it_learned_of_each_collector_and_account(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    with MockApi(rig.world, TOKEN, rate_limit=RateLimit(1000, 600)) as limited:
        account = checked(limited.url, tmp_path)
        made = len(limited.requests)
    found = collector(account, INVOCATIONS)
    latency = found.pop("latency_seconds")
    assert 0 < latency["min"] <= latency["median"] <= latency["max"] < 30
    assert found.pop("series") > 100
    assert found == {
        "collector": "invocations",
        "ok": True,
        "requests": 3,
        "list": True,
        "pages": 6,
        "requests_per_day": 1440 + 6 * 24,
        "page_size": {"asked": 10, "given": 10, "refused": False},
        "sort": "kept",
        "order": "newest_first",
        "by_id": {"parameter": "data_id", "result": "kept"},
        "notes": [],
    }
    assert account["requests"] == made == 3 + 3 + 1
    assert account["rate_limit"] == {
        "limit": 1000,
        "remaining": 1000 - made,
        "reset_seconds": pytest.approx(600, abs=120),
    }


def test_the_text_says_the_same(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    done = run("check", "--online", configured(rig.mock_api.url, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(r"[0-9]\.[0-9]{3} s", "… s", done.stdout)
    assert (
        "prod/invocations: OK, 6 pages in the window, about 1,584 requests on a quiet day\n"
        "  latency: … s / … s / … s (min / median / max), 3 requests\n"
        "  page size: 10 asked, 10 given\n"
        "  order: newest first, as sort asks\n"
        "  records by ID (data_id): kept\n"
        "  series: about "
    ) in text
    assert "prod: 7 requests made, about 4,608 requests on a quiet day, about " in text
    assert text.endswith("series, no rate limit stated\n")


def test_the_series_are_those_of_a_poll(rig: Rig, tmp_path: Path) -> None:
    fill(rig, 9, time.time())
    account = checked(rig.mock_api.url, tmp_path)
    with running([config(rig, tmp_path)]) as (_, url):
        for name in ("document_batches", "workflow_batches", "invocations"):
            eventually(f"{url}/metrics", f'batch_exporter_up{{account="prod",collector="{name}",system="inkit"}} 1.0')
        exposed = get(f"{url}/metrics").splitlines()
    assert account["series"] == sum('account="prod"' in line for line in exposed)


def by_id_ignored(served: Faults) -> None:
    served.list_faults = ListFaults(ignore_filters=True)


def unsorted(served: Faults) -> None:
    served.list_faults = ListFaults(order="shuffled")


def oldest_first(served: Faults) -> None:
    served.list_faults = ListFaults(order="ascending")


def page_size_ignored(served: Faults) -> None:
    served.list_faults = ListFaults(ignore_page_size=True)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (by_id_ignored, {"by_id": {"parameter": "data_id", "result": "ignored"}}),
        (unsorted, {"sort": "ignored", "order": "unsorted"}),
        (oldest_first, {"sort": "ignored", "order": "oldest_first", "notes": []}),
        (page_size_ignored, {"page_size": {"asked": 10, "given": 25, "refused": False}}),
    ],
)
def test_a_list_that_goes_its_own_way_is_told_from_one_that_does_not(
    fault: Callable[[Faults], None], expected: dict[str, Any], rig: Rig, tmp_path: Path
) -> None:
    fill(rig)
    fault(rig.mock_api.faults)
    found = collector(checked(rig.mock_api.url, tmp_path), INVOCATIONS)
    assert expected.items() <= found.items()
    assert found["requests"] <= MOST_REQUESTS + 1


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (Readings(sort_keys=frozenset({"name"})), {"sort": "refused", "order": "newest_first"}),
        (Readings(max_page_size=5), {"page_size": {"asked": 10, "given": 5, "refused": False}}),
    ],
)
def test_what_an_api_refuses_or_clamps_is_said(
    readings: Readings, expected: dict[str, Any], rig: Rig, tmp_path: Path
) -> None:
    fill(rig)
    with MockApi(rig.world, TOKEN, readings=readings) as other:
        found = collector(checked(other.url, tmp_path), "document_batches")
    assert expected.items() <= found.items()


def test_the_cost_of_a_list_without_order_is_that_of_reading_it_at_each_poll(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    unsorted(rig.mock_api.faults)
    found = collector(checked(rig.mock_api.url, tmp_path), INVOCATIONS)
    assert found["requests_per_day"] == found["pages"] * 1440


def test_an_empty_account_is_right_and_says_what_is_not_known(rig: Rig, tmp_path: Path) -> None:
    account = checked(rig.mock_api.url, tmp_path)
    assert [each["requests"] for each in account["collectors"]] == [1, 1, 1]
    found = collector(account, INVOCATIONS)
    assert (found["order"], found["sort"], found["by_id"]["result"]) == ("unknown", "unknown", "unknown")
    assert found["notes"] == ["the list is empty: its order, its page size and records by ID are not known"]


def test_a_list_that_alone_is_refused_fails_alone(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    rig.mock_api.faults.add(faults.status(401), path="/batch*")
    account = checked(rig.mock_api.url, tmp_path, status=1)
    assert [each["ok"] for each in account["collectors"]] == [False, True, True]
    refused = collector(account, "document_batches")
    assert (refused["reason"], refused["status"]) == ("auth", 401)
    assert refused["error"].startswith("auth: GET /batch answered 401: the API refuses the token")
    done = run("check", "--online", configured(rig.mock_api.url, tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"prod/document_batches: {refused['error']}\n"
    assert "\nprod: " in done.stdout


def test_a_record_that_can_not_be_asked_for_by_its_id_fails_no_list(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    rig.mock_api.faults.add(faults.status(404), path="/batch/*")
    found = collector(checked(rig.mock_api.url, tmp_path), "document_batches")
    assert found["by_id"] == {"parameter": "/batch/{id}", "result": "refused"}


def test_a_missing_list_of_workflow_batches_is_no_failure(rig: Rig, tmp_path: Path) -> None:
    fill(rig)
    rig.mock_api.faults.add(faults.status(404), path="/invoke/batch")
    found = collector(checked(rig.mock_api.url, tmp_path), "workflow_batches")
    assert (found["ok"], found["list"], found["ids_from"]) == (True, False, "invocations")


def test_a_list_whose_end_is_hard_to_find_takes_a_bounded_number_of_requests(rig: Rig, tmp_path: Path) -> None:
    for number in range(4000):
        rig.world.add("document_batches", document_batch(f"rb_{number:04}", NOW - number * HOUR))
    rig.mock_api.faults.list_faults = ListFaults(order="ascending", total_count="missing", page_count=1)
    found = collector(checked(rig.mock_api.url, tmp_path), "document_batches")
    assert found["requests"] <= MOST_REQUESTS + 1
    assert found["notes"][0] == f"the newest records were not found with {MOST_REQUESTS} requests"


def test_without_online_the_document_has_the_configuration_alone(rig: Rig, tmp_path: Path) -> None:
    flag = configured(rig.mock_api.url, tmp_path)
    done = run("check", "--json", flag)
    assert json.loads(done.stdout) == {
        "ok": True,
        "config": {"file": flag.removeprefix("--config.file="), "accounts": 1},
    }
    assert not rig.mock_api.requests


def test_a_broken_configuration_prints_no_document(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("accounts: 3\n")
    done = run("check", "--online", "--json", f"--config.file={tmp_path}/config.yaml")
    assert (done.returncode, done.stdout) == (2, "")


def test_nothing_is_written(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    flag = configured(rig.mock_api.url, tmp_path)
    assert run("check", "--online", flag, cwd=folder).returncode == 0
    assert list(folder.iterdir()) == []
