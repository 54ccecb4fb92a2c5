"""The store of snapshots: what publishing costs, and what a reader gets."""

import pytest

from exporter.exposition.snapshot import CollectorSnapshot, SnapshotStore


class Counting(CollectorSnapshot):
    """A snapshot that counts how often anybody looks whose it is."""

    looked = 0

    @property
    def id(self) -> tuple[str, str]:
        Counting.looked += 1
        return self.account, self.collector


def accounts(store: SnapshotStore) -> list[str]:
    return [collector.account for collector in store.snapshot.collectors]


@pytest.fixture
def store() -> SnapshotStore:
    made = SnapshotStore()
    for account in ("a", "b", "c"):
        made.publish(CollectorSnapshot(account, "inkit", "x"))
    return made


def test_publishing_looks_at_no_other_collector() -> None:
    store = SnapshotStore()
    for number in range(100):
        store.publish(Counting(f"{number}", "inkit", "x"))
    Counting.looked = 0
    store.publish(CollectorSnapshot("7", "inkit", "x"))
    store.renew()
    assert Counting.looked == 0
    assert len(store.snapshot.collectors) == 100


def test_a_collector_keeps_its_place_when_it_publishes_again(store: SnapshotStore) -> None:
    again = CollectorSnapshot("a", "inkit", "x", fresh_until=5.0)
    store.publish(again)
    assert accounts(store) == ["a", "b", "c"]
    assert store.snapshot.collectors[0] is again


def test_a_snapshot_that_was_read_does_not_change(store: SnapshotStore) -> None:
    read = store.snapshot
    store.publish(CollectorSnapshot("d", "inkit", "x"))
    store.arrange([("d", "x")])
    assert [collector.account for collector in read.collectors] == ["a", "b", "c"]
    assert accounts(store) == ["d"]


def test_every_change_has_a_generation_of_its_own_and_a_reading_has_none(store: SnapshotStore) -> None:
    generations = [store.snapshot.generation, store.snapshot.generation]
    store.publish(CollectorSnapshot("a", "inkit", "x"))
    generations.append(store.snapshot.generation)
    store.renew()
    generations.append(store.snapshot.generation)
    store.arrange([("b", "x")])
    generations.append(store.snapshot.generation)
    assert [number - generations[0] for number in generations] == [0, 0, 1, 2, 3]


def test_only_the_arranged_collectors_stay_in_their_new_order(store: SnapshotStore) -> None:
    store.arrange([("c", "x"), ("new", "x"), ("a", "x")])
    assert accounts(store) == ["c", "a"]
    store.publish(CollectorSnapshot("new", "inkit", "x"))
    assert accounts(store) == ["c", "a", "new"]


def test_a_stopped_publisher_changes_nothing(store: SnapshotStore) -> None:
    before = store.snapshot
    store.publish(CollectorSnapshot("a", "inkit", "x", fresh_until=5.0), unless=lambda: True)
    assert store.snapshot is before
