"""From a mock API's records to the failures in the store: what is listed, when, and after a restart."""

from exporter.demo.items import Item, document_batch, generations, invocation
from exporter.demo.packagex.items import packagex_batch
from exporter.exposition.snapshot import Failure
from exporter.polling.poller import Poller
from exporter.state import prepared
from tests.support import faults
from tests.support.rig import HOUR, NOW, Rig


def failed(name: str, created_at: float, workflow: str = "Invoices") -> Item:
    return invocation(name, created_at, destinations={"box": "Failed"}, flow_name=workflow)


def batch(**destinations: Item) -> Item:
    return document_batch("rb_1", NOW, destinations=destinations)


def listed(rig: Rig, poller: Poller) -> tuple[Failure, ...]:
    return next(
        collector for collector in rig.store.snapshot.collectors if collector.collector == poller.status.collector
    ).failures


def watched(rig: Rig, collector: str) -> Poller:
    """Return a collector that has read its window: what happens from now on is a new event."""
    poller = rig.poller(collector)
    assert poller.poll()
    rig.clock.now += 60
    return poller


def test_what_had_failed_before_it_was_watched_is_not_listed(rig: Rig) -> None:
    rig.world.add("document_batches", batch(sepire=generations(2, failed=1)))
    assert listed(rig, watched(rig, "document_batches")) == ()


def test_a_batch_that_fails_bit_by_bit_is_listed_once_with_all_its_destinations(rig: Rig) -> None:
    rig.world.add("document_batches", batch(sepire=generations(3), box=generations(3)))
    poller = watched(rig, "document_batches")
    for done in ({"sepire": generations(3, failed=1)}, {"sepire": generations(3, 2, 1), "box": generations(3, 2, 1)}):
        rig.world.update("document_batches", "rb_1", destinations={"box": generations(3), **done})
        poller.poll()
        rig.clock.now += 60
    assert listed(rig, poller) == (
        Failure("rb_1", NOW + 120, NOW, ("box", "sepire"), ("failed",), "InkitGenerationFailed"),
    )


def test_an_invocation_is_listed_with_its_workflow_s_name_though_that_is_no_label(rig: Rig) -> None:
    poller = watched(rig, "invocations")
    rig.world.add("invocations", failed("rend_1", rig.clock.now, "Court letters"))
    poller.poll()
    (found,) = listed(rig, poller)
    assert (found.record_id, found.workflow, found.alert) == ("rend_1", "Court letters", "InkitGenerationFailed")


def test_a_batch_of_packagex_is_listed_with_its_resource(rig: Rig) -> None:
    rig.system = "packagex"
    poller = watched(rig, "batches")
    rig.batches.add(packagex_batch("batch_1", rig.clock.now, resource="tracker", status="expired"))
    poller.poll()
    (found,) = listed(rig, poller)
    assert (found.places, found.statuses, found.alert) == (("tracker",), ("expired",), "PackageXBatchFailed")


def test_the_list_is_there_again_after_a_restart_though_the_api_is_down(rig: Rig) -> None:
    poller = watched(rig, "invocations")
    rig.world.add("invocations", failed("rend_1", rig.clock.now))
    poller.poll()
    rig.mock_api.faults.add(faults.status(500))
    again = rig.poller("invocations", scope="another scope, whose window has not been read")
    again.restore()
    again.publish()
    assert [failed.record_id for failed in listed(rig, again)] == ["rend_1"]
    assert not again.poll()
    assert [failed.record_id for failed in listed(rig, again)] == ["rend_1"]


def test_a_program_that_has_not_looked_back_lists_them_after_its_first_poll(rig: Rig) -> None:
    poller = watched(rig, "invocations")
    rig.world.add("invocations", failed("rend_1", rig.clock.now))
    poller.poll()
    again = rig.poller("invocations")
    again.poll()
    assert [failed.record_id for failed in listed(rig, again)] == ["rend_1"]


def test_what_a_poll_read_before_it_failed_is_listed_at_once(rig: Rig) -> None:
    for number in range(60):
        rig.world.add("invocations", invocation(f"rend_{number}", NOW - HOUR - number))
    poller = rig.poller("invocations", page_size=25)
    poller.poll()
    rig.clock.now += 60
    for number in range(60):
        rig.world.add("invocations", failed(f"rend_new{number}", rig.clock.now - number / 10))
    rig.fail_after(2)
    assert not poller.poll()
    assert len(listed(rig, poller)) == 50
    rig.mock_api.faults.clear()
    assert poller.poll()
    assert len(listed(rig, poller)) == 60


def test_without_a_file_they_are_listed_as_well() -> None:
    with prepared(None) as state:
        rig = Rig(state)
        with rig.mock_api:
            poller = watched(rig, "invocations")
            rig.world.add("invocations", failed("rend_1", rig.clock.now))
            poller.poll()
            assert [failed.record_id for failed in listed(rig, poller)] == ["rend_1"]
