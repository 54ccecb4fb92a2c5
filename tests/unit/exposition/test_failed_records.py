"""What is known of a failed record: where it has failed and how, and which alert is about that."""

from collections.abc import Mapping

import pytest

from exporter.exposition.failed_records import FailedRecords
from exporter.exposition.snapshot import Failure
from exporter.model.family import Family, Outcome
from exporter.model.record import Key
from exporter.model.totals import Failed
from exporter.systems import sources

INKIT = sources()["inkit"].families
PACKAGEX = sources()["packagex"].families
CREATION = ("inkit_batches_finished_total", "document", "failed")
GENERATION = ("inkit_batch_generations_finished_total", "document", "docusign", "failed")
DELIVERY = ("inkit_invocation_generations_finished_total", "box", "failed")
COMPLETED = ("inkit_invocations_finished_total", "completed")
UNPLACED = ("inkit_invocation_generations_finished_total", "none", "failed")
INVOCATION = ("inkit_invocations_finished_total", "failed")
BATCH = ("packagex_batches_finished_total", "shipment", "merge", "mixed", "file", "timed_out")
ITEMS = ("packagex_batch_items_finished_total", "shipment", "validation", "error")


def failure(*raised: Key) -> Failure:
    amounts: Mapping[Key, int] = dict.fromkeys(raised, 1)
    (made,) = FailedRecords((*INKIT, *PACKAGEX)).describe([Failed("x_1", 1.0, 2.0, amounts, "Invoices")])
    return made


def test_a_record_s_own_facts_are_passed_on() -> None:
    made = failure(GENERATION)
    assert (made.record_id, made.created_at, made.at, made.workflow) == ("x_1", 1.0, 2.0, "Invoices")


@pytest.mark.parametrize(
    ("raised", "places", "statuses", "alert"),
    [
        ([GENERATION], ("docusign",), ("failed",), "InkitGenerationFailed"),
        ([CREATION], (), ("failed",), "InkitBatchFailed"),
        ([GENERATION, CREATION], ("docusign",), ("failed",), "InkitBatchFailed"),
        ([DELIVERY], ("box",), ("failed",), "InkitGenerationFailed"),
        ([COMPLETED, DELIVERY], ("box",), ("failed",), "InkitGenerationFailed"),
        ([UNPLACED], ("none",), ("failed",), "InkitGenerationFailed"),
        ([DELIVERY, INVOCATION], ("box",), ("failed",), "InkitInvocationFailed"),
        ([BATCH], ("shipment",), ("timed_out",), "PackageXBatchFailed"),
        ([ITEMS], ("shipment",), ("error",), "PackageXItemErrors"),
        ([ITEMS, BATCH], ("shipment",), ("timed_out", "error"), "PackageXBatchFailed"),
    ],
)
def test_the_widest_part_that_failed_itself_says_which_alert_it_is(
    raised: list[Key], places: tuple[str, ...], statuses: tuple[str, ...], alert: str
) -> None:
    made = failure(*raised)
    assert (made.places, made.statuses, made.alert) == (places, statuses, alert)


def test_each_place_is_named_once_in_the_order_of_their_names() -> None:
    generations = [
        ("inkit_batch_generations_finished_total", "document", *ends)
        for ends in (("sepire", "failed"), ("box", "failed"), ("sepire", "expired"))
    ]
    made = failure(*generations)
    assert (made.places, made.statuses) == (("box", "sepire"), ("failed", "expired"))


def test_a_workflow_with_the_name_of_a_status_is_none() -> None:
    assert failure((*DELIVERY, "error")).statuses == ("failed",)


def test_a_series_of_another_version_is_passed_over() -> None:
    made = failure(("inkit_forgotten_total", "sepire", "failed"))
    assert (made.places, made.statuses, made.alert) == ((), (), "")


def test_every_counter_declares_what_a_failure_is_and_the_alert_about_it() -> None:
    for family in (*INKIT, *PACKAGEX):
        assert (family.outcome is not None) == (family.kind == "counter"), family.name
        if family.outcome is not None:
            assert family.outcome.alert
            assert family.outcome.place in ("", *family.labels)
            for known in family.zeros.values():
                assert family.outcome.failures & set(known[family.outcome.label]), "a failure is exposed at 0"


def test_a_system_has_its_own_words_for_a_failure_and_its_own_label_for_them() -> None:
    outcome = Outcome("verdict", frozenset({"rejected"}), alert="AcmeLetterRejected", place="country")
    family = Family("acme_letters_total", "counter", "X.", ("account", "country", "verdict"), outcome=outcome)
    raised: dict[Key, int] = {("acme_letters_total", "de", "rejected"): 1, ("acme_letters_total", "fr", "failed"): 1}
    (made,) = FailedRecords([family]).describe([Failed("x_1", 1.0, 2.0, raised)])
    assert (made.places, made.statuses, made.alert) == (("de",), ("rejected",), "AcmeLetterRejected")


def test_records_that_raised_the_same_counters_share_what_that_means() -> None:
    records = FailedRecords(INKIT)
    first, again = records.describe(Failed(name, 1.0, 2.0, {DELIVERY: 1}) for name in ("x_1", "x_2"))
    (later,) = records.describe([Failed("x_3", 1.0, 2.0, {DELIVERY: 2})])
    assert first.places is again.places is later.places


def test_however_many_sets_of_counters_there_are_each_is_described_as_before() -> None:
    records = FailedRecords(INKIT)
    flows = [Failed("x", 1.0, 2.0, {(*INVOCATION, f"flow {number}"): 1}) for number in range(1_500)]
    alone = tuple(FailedRecords(INKIT).describe([flow])[0] for flow in flows)
    assert records.describe([*flows, *flows]) == alone * 2
