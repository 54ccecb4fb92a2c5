"""Whatever an API answers, `check --online` ends with few requests and without a traceback."""

import random
from pathlib import Path
from typing import Any, Literal, cast

from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.online import report
from exporter.cli.online.findings import Findings
from exporter.cli.online.learn import MOST_REQUESTS, learn
from exporter.client import Client, Request
from exporter.config import Account, load
from exporter.demo.faults import ListFaults
from exporter.demo.inkit_api import InkitApi
from exporter.demo.items import document_batch, invocation
from exporter.demo.listing import Readings
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.batches import Batches
from exporter.demo.world import World
from exporter.systems import sources
from tests.support.doubles import MemoryApi
from tests.support.rig import HOUR, NOW


def account(folder: Path, system: str, page_size: int) -> Account:
    path = folder / "config.yaml"
    path.write_text(
        f"state: {{path: null}}\npage_size: {page_size}\n"
        f"accounts: [{{name: prod, system: {system}, base_url: 'http://127.0.0.1:1', api_token: demo-token}}]\n"
    )
    [read] = load(path, {name: source.system for name, source in sources().items()}, {}).accounts
    return read


def api(system: str, count: int, readings: Readings) -> MemoryApi:
    if system == "packagex":
        return MemoryApi(PackagexApi(Batches(random.Random(1), lambda: NOW), ""))
    world = World(random.Random(1), lambda: NOW)
    for number in range(count):
        world.add("document_batches", document_batch(f"rb_{number}", NOW - number * HOUR))
        world.add("invocations", invocation(f"rend_{number}", NOW - number * HOUR))
    return MemoryApi(InkitApi(world, "", readings))


LIST_FAULTS = st.builds(
    ListFaults,
    order=st.sampled_from([None, "ascending", "descending", "shuffled"]),
    ignore_page_size=st.booleans(),
    ignore_filters=st.booleans(),
    total_count=st.sampled_from([None, "missing", 0, 3, 10**9]),
    page_count=st.sampled_from([None, 0, 1, 2, 10**9]),
    repeat_ids=st.booleans(),
)
READINGS = st.builds(
    Readings,
    max_page_size=st.sampled_from([None, 1, 5, 100]),
    large_page_size=st.sampled_from(["clamp", "refuse"]),
    sort_keys=st.sampled_from([frozenset(), frozenset({"created_at"})]),
    unknown_sort_key=st.sampled_from(["refuse", "ignore"]),
    workflow_batch_list=st.sampled_from([200, 404, 405]),
)
BEYOND = st.sampled_from(["empty", "refused", "last", "first"])
STATUSES = st.sampled_from([None, None, None, 200, 400, 401, 404, 422, 500])
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, None, None, {}, [], "x", {"items": [{}]}, {"items": []}, {"data": [1], "pagination": {}}]
)


@given(
    st.sampled_from(["inkit", "packagex"]),
    st.sampled_from([0, 1, 30, 200]),
    st.sampled_from([1, 7, 100]),
    LIST_FAULTS,
    READINGS,
    BEYOND,
    st.lists(STATUSES, max_size=12),
    st.lists(ODD, max_size=12),
    st.none() | st.tuples(st.integers(1, 3), st.sampled_from([None, 404, 400])),
)
def test_whatever_a_server_answers_the_report_is_whole_and_the_requests_are_few(
    tmp_path_factory: Any,
    system: str,
    count: int,
    page_size: int,
    list_faults: ListFaults,
    readings: Readings,
    beyond: Literal["empty", "refused", "last", "first"],
    statuses: list[int | None],
    odd: list[Any],
    limit: tuple[int, int | None] | None,
) -> None:
    served = api(system, count, readings)
    served.list_faults, served.beyond, served.limit = list_faults, beyond, limit
    served.instead = lambda number, _: statuses[number] if number < len(statuses) else None

    class Odd:
        def get(self, request: Request) -> Any:
            answer = served.get(request)
            instead = odd[served.asked] if served.asked < len(odd) else None
            return answer if instead is None else instead

    configured = account(tmp_path_factory.mktemp("a"), system, page_size)
    learned = learn(configured, lambda _, __: cast("Client", Odd()))
    assert served.asked <= (len(configured.collectors) + 1) * (MOST_REQUESTS + 1)
    assert [each.collector for each in learned.collectors] == list(configured.collectors)
    for each in learned.collectors:
        assert "\n" not in report.headline(each)
        assert all("\n" not in line for line in report.details(each))
        if isinstance(each.outcome, Findings):
            assert each.outcome.pages >= 1
            assert each.outcome.series > 0
    assert report.document(learned)["ok"] is learned.ok
