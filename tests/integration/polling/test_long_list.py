"""A list of more pages than a search may read one by one, running oldest first."""

from typing import cast

import pytest

from exporter.client import Client, Request
from exporter.demo.faults import ListFaults
from exporter.demo.packagex.api import PackagexApi
from exporter.demo.packagex.items import packagex_batch
from tests.support.doubles import MemoryApi
from tests.support.rig import NOW, Rig

PAGES = 150
PER_PAGE = 4
FAILED = ("packagex_batches_finished_total", "contact", "merge", "mixed", "api", "failed")


@pytest.mark.parametrize("rows", [PAGES * PER_PAGE, PAGES * PER_PAGE - 1], ids=["full", "short"])
@pytest.mark.parametrize("beyond", ["empty", "refused", "last", "first"])
@pytest.mark.parametrize("total", [None, "missing", 7])
def test_the_newest_page_is_found_again_after_it_was_refused_once(
    rig: Rig, rows: int, beyond: str, total: int | None
) -> None:
    rig.system = "packagex"
    rig.batches.extend([packagex_batch(f"b_{n}", NOW - n * 120) for n in range(rows)])
    api = MemoryApi(PackagexApi(rig.batches, ""))
    api.list_faults, api.beyond = ListFaults(total_count=total), beyond  # type: ignore[assignment]
    polling = rig.poller("batches", asking=cast("Client", api), page_size=PER_PAGE)
    assert polling.poll()
    # The newest page, and the one before it: so the search begins at page 1.
    api.instead = lambda _, request: 404 if int(request.params.get("page", 0)) >= PAGES - 1 else None
    rig.clock.now += 60
    polling.poll()
    asked: list[str] = []

    def note(_: int, request: Request) -> int | None:
        asked.append(request.params.get("page", ""))
        return None

    api.instead = note
    rig.clock.now += 60
    rig.batches.add(packagex_batch("b_new", rig.clock.now, status="failed"))
    assert polling.poll()
    assert len(asked) < 40
    assert rig.exact("batches")
    assert rig.events("batches")[FAILED] == 1
    asked.clear()
    rig.clock.now += 60
    assert polling.poll()
    assert len(asked) <= 5
