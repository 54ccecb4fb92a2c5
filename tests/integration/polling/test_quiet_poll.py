"""The cost of polls of a list that has become quiet, from the first reading on."""

from typing import Literal

import pytest

from exporter.demo.items import document_batch
from exporter.demo.packagex.items import packagex_batch
from tests.support.rig import HOUR, NOW, Rig

RECONCILED_NEVER = 1e9


@pytest.mark.parametrize("age", [0.0, HOUR])
@pytest.mark.parametrize("system", ["inkit", "packagex"])
def test_a_dense_list_costs_one_page_a_poll_soon_after_the_first_reading(rig: Rig, system: str, age: float) -> None:
    """Discovery looks five minutes back from when the newest record was known. That must move on with time."""
    rig.system = system
    times = [NOW - age - n for n in range(1005)]
    if system == "inkit":
        rig.world.extend("document_batches", [document_batch(f"rb_{n}", time) for n, time in enumerate(times)])
    else:
        rig.batches.extend([packagex_batch(f"b_{n}", time) for n, time in enumerate(times)])
    name: Literal["document_batches", "batches"] = "document_batches" if system == "inkit" else "batches"
    poller = rig.poller(name, page_size=25, reconcile_interval=RECONCILED_NEVER)
    assert poller.poll()
    costs = []
    for _ in range(8):
        rig.clock.now += 60
        costs.append(rig.cost(poller))
    assert costs[-2:] == [1, 1]
    assert costs == sorted(costs, reverse=True)
    assert rig.exact(name)
    assert not rig.events(name)


def test_a_longer_window_does_not_take_the_newest_record_for_one_known_before(rig: Rig) -> None:
    """What appears late below the newest page is found, as far as the clocks of the API's hosts may differ."""
    rig.world.extend("document_batches", [document_batch(f"rb_{n}", NOW - n) for n in range(40)])
    assert rig.poller("document_batches", page_size=25).poll()
    for _ in range(10):
        rig.clock.now += 60
        assert rig.poller("document_batches", page_size=25).poll()
    newest = rig.clock.now - 500
    rig.world.extend("document_batches", [document_batch(f"rb_new_{n}", newest - n / 100) for n in range(40)])
    longer = rig.poller("document_batches", page_size=25, lookback=14 * 24 * HOUR)
    assert longer.poll()
    rig.world.add("document_batches", document_batch("rb_late", newest - 100))
    rig.clock.now += 60
    assert longer.poll()
    assert rig.exact("document_batches")
