"""What is shown of a batch and of an invocation of Inkit."""

from exporter.demo.items import document_batch, generations, invocation
from exporter.systems.detail import Detail, Moment, Table
from exporter.systems.inkit.detail import DETAILS
from tests.support.rig import NOW


def read(collector: str, record_id: str, answer: object) -> Detail:
    detail = DETAILS.read(collector, record_id, answer)
    assert detail is not None
    return detail


def test_a_batch_has_its_destinations_as_a_table_of_counts() -> None:
    item = document_batch("rb_1", NOW, destinations={"sepire": generations(5, 3, 1)}, name="Reminders")
    detail = read("document_batches", "rb_1", item)
    assert detail.fields == {"name": "Reminders", "status": "Completed", "created_at": Moment(NOW), "total": 5}
    columns = ("destination", "status", "count", "completed", "failed", "in_progress")
    assert detail.tables == (Table("destinations", columns, (("sepire", "in_progress", 5, 3, 1, 1),)),)
    assert not detail.private


def test_an_invocation_has_the_id_of_what_each_destination_made() -> None:
    item = invocation("rend_1", NOW, destinations={"sepire": "Failed", "inkit_storage": "Completed"}, batch_id="fb_7")
    detail = read("invocations", "rend_1", {"items": [item]})
    assert detail.fields["batch"] == "fb_7"
    assert detail.fields["destination_status"] == "Failed"
    assert detail.tables[0].rows == (("sepire", "Failed", "mp_1"), ("inkit_storage", "Completed", "doc_1"))


def test_customers_data_is_private() -> None:
    item = invocation("rend_1", NOW, merge_parameters={"name": "CANARY"}, name="CANARY letter")
    item["destinations"]["inkit_storage"]["name"] = "CANARY.pdf"
    detail = read("invocations", "rend_1", {"items": [item]})
    assert detail.private == {
        "name": "CANARY letter",
        "merge_parameters": {"name": "CANARY"},
        "inkit_storage.name": "CANARY.pdf",
    }
    assert "CANARY" not in repr((detail.fields, detail.tables))


def test_an_invocation_is_found_among_others_or_not_at_all() -> None:
    others = [invocation("rend_2", NOW), None, 3, invocation("rend_1", NOW, flow_name="Mine")]
    assert read("invocations", "rend_1", {"items": others}).fields["workflow"] == "Mine"
    assert DETAILS.read("invocations", "rend_3", {"items": others}) is None


def test_destinations_that_are_no_object_are_shown_as_what_they_are() -> None:
    detail = read("document_batches", "rb_1", {**document_batch("rb_1", NOW), "destinations": [1]})
    assert detail.fields["destinations"] == "unreadable: a list"
    assert not detail.tables


def test_inkit_offers_no_files() -> None:
    assert not DETAILS.files
    assert not DETAILS.errors_files
