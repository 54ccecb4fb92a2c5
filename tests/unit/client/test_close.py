"""The end of a client: what is under way is cut off, and nothing new is asked."""

import threading
import time

import pytest

from exporter.client import Client, Request, Stopping
from exporter.client.transport import Transport
from exporter.demo.faults import Fault
from exporter.model.record import FetchError, Reason
from exporter.model.tls import TLSConfig
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.rig import Pauses, Rig, as_it_is, client

BATCHES = Request("/batch", "/batch")


def ended(asking: Client, raised: list[Exception]) -> None:
    try:
        for _ in asking.get_each([BATCHES] * 5, as_it_is):
            pass
    except (FetchError, Stopping) as error:
        raised.append(error)


@pytest.mark.parametrize("fault", [faults.hang(), faults.drip(0.1)], ids=["silent", "drips"])
def test_a_request_under_way_is_cut_off_and_means_the_end_and_no_failure(rig: Rig, fault: Fault) -> None:
    rig.mock_api.faults.add(fault)
    wait, raised = Pauses(), list[Exception]()
    asking = client(rig.mock_api.url, deadline=GENEROUS, wait=wait)
    thread = threading.Thread(target=ended, args=(asking, raised), daemon=True)
    thread.start()
    while not rig.mock_api.requests:
        assert thread.is_alive()
        time.sleep(0.001)
    started = time.monotonic()
    wait.stopping.set()
    asking.close()
    thread.join(GENEROUS)
    assert [type(error) for error in raised] == [Stopping]
    assert time.monotonic() - started < GENEROUS / 4


def test_a_request_that_begins_after_the_end_is_cut_off_too(rig: Rig) -> None:
    rig.mock_api.faults.add(faults.hang())
    transport = Transport(TLSConfig(), None)
    transport.close()
    started = time.monotonic()
    with pytest.raises(FetchError) as caught:
        transport.get(f"{rig.mock_api.url}/batch", {}, {}, GENEROUS)
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - started < GENEROUS / 4
