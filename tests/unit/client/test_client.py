"""Requests to an API that misbehaves: which reason each failure gets, and that the client never hangs."""

import email.utils
import queue
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from exporter.client import JSON, Client, Request, Stopping
from exporter.client.client import USER_AGENT
from exporter.client.memory_budget import MemoryBudget
from exporter.client.transport import MAX_BODY_BYTES, RequestLimits
from exporter.demo.faults import Fault
from exporter.demo.items import document_batch
from exporter.demo.server import MockApi
from exporter.model.record import FetchError, Reason
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.rig import NOW, TOKEN, Meter, Pauses, Rig, as_it_is, client
from tests.support.scripted import scripted

BATCHES = Request("/batch", "/batch")


@pytest.fixture
def asking(rig: Rig) -> Client:
    return client(rig.mock_api.url)


def failure(asking: Client, request: Request = BATCHES) -> FetchError:
    with pytest.raises(FetchError) as caught:
        asking.get(request)
    return caught.value


def test_an_answer_is_decoded(rig: Rig, asking: Client) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    assert asking.get(BATCHES)["items"][0]["id"] == "rb_1"


def test_parameters_are_sent(rig: Rig, asking: Client) -> None:
    asking.get(Request("/batch", "/batch", {"page_size": "7", "search": "ä&b"}))
    assert rig.mock_api.requests[-1].params == {"page_size": "7", "search": "ä&b"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(faults.status(401), Reason.AUTH, id="401"),
        pytest.param(faults.status(403), Reason.AUTH, id="403"),
        pytest.param(faults.status(400), Reason.CLIENT_ERROR, id="400"),
        pytest.param(faults.status(404), Reason.CLIENT_ERROR, id="404"),
        pytest.param(faults.status(422), Reason.CLIENT_ERROR, id="422"),
        pytest.param(faults.redirect("http://127.0.0.1:1/elsewhere"), Reason.CLIENT_ERROR, id="redirect"),
        pytest.param(faults.redirect("http://["), Reason.CLIENT_ERROR, id="redirect-to-nonsense"),
        pytest.param(faults.status(302, {"Location": "http://a.invalid"}, b"x" * 99), Reason.CLIENT_ERROR, id="302"),
        pytest.param(faults.status(204), Reason.CLIENT_ERROR, id="no-content"),
        pytest.param(faults.status(429), Reason.RATE_LIMITED, id="429"),
        pytest.param(faults.status(500), Reason.SERVER_ERROR, id="500"),
        pytest.param(faults.status(503), Reason.SERVER_ERROR, id="503"),
        pytest.param(faults.html(), Reason.MALFORMED, id="html"),
        pytest.param(faults.html(502), Reason.SERVER_ERROR, id="html-of-a-gateway"),
        pytest.param(faults.empty(), Reason.MALFORMED, id="empty"),
        pytest.param(faults.raw(b'{"items": ['), Reason.MALFORMED, id="half-of-a-json"),
        pytest.param(faults.raw(b"NaN"), Reason.MALFORMED, id="not-a-number"),
        pytest.param(faults.raw(b"\xff\xfe\x00"), Reason.MALFORMED, id="not-utf-8"),
        pytest.param(faults.raw(b"[" * 100_000), Reason.MALFORMED, id="too-deep"),
        pytest.param(faults.raw(b"9" * 5_000), Reason.MALFORMED, id="too-many-digits"),
        pytest.param(faults.truncated(), Reason.CONNECTION, id="truncated"),
        pytest.param(faults.reset(), Reason.CONNECTION, id="reset"),
    ],
)
def test_every_failure_has_its_reason(rig: Rig, asking: Client, fault: Fault, reason: Reason) -> None:
    rig.mock_api.faults.add(fault)
    assert failure(asking).reason is reason


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.hang(), id="hangs"),
        pytest.param(faults.drip(0.05), id="drips-the-body"),
        pytest.param(faults.drip(0.05, head=True), id="drips-the-headers"),
        pytest.param(faults.latency(30), id="is-late"),
    ],
)
def test_a_server_cannot_hold_a_request_beyond_its_deadline(rig: Rig, fault: Fault) -> None:
    rig.mock_api.faults.add(fault)
    started = time.monotonic()
    assert failure(client(rig.mock_api.url, deadline=0.4)).reason is Reason.TIMEOUT
    assert time.monotonic() - started < 15
    assert len(rig.mock_api.requests) <= 1, "a request that timed out is not retried"


@pytest.mark.parametrize("declared", [True, False])
def test_a_huge_answer_is_given_up_at_the_size_cap(rig: Rig, declared: bool) -> None:
    rig.mock_api.faults.add(faults.huge(MAX_BODY_BYTES + 1, declared=declared))
    assert failure(client(rig.mock_api.url, deadline=60)).reason is Reason.TOO_LARGE


def test_a_compressed_bomb_is_given_up_at_the_size_cap(rig: Rig) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW, name=" " * MAX_BODY_BYTES))
    with MockApi(rig.world, TOKEN, compress=True) as compressing:
        assert failure(client(compressing.url, deadline=60)).reason is Reason.TOO_LARGE


def test_a_wrong_token_is_refused_and_not_shown(rig: Rig) -> None:
    error = failure(client(rig.mock_api.url, token=lambda: "CANARY"))
    assert error.reason is Reason.AUTH
    assert "CANARY" not in str(error)


def test_a_port_where_nobody_listens_is_a_connection_error() -> None:
    error = failure(client("http://127.0.0.1:1/v1"))
    assert error.reason is Reason.CONNECTION
    assert "refused" in str(error)


def test_plain_http_behind_an_https_url_is_a_tls_error(rig: Rig) -> None:
    assert failure(client(rig.mock_api.url.replace("http:", "https:"))).reason is Reason.TLS


def test_a_proxy_that_is_not_there_is_a_connection_error_without_its_password() -> None:
    error = failure(client("http://127.0.0.1:9/v1", proxy_url="http://user:CANARY@127.0.0.1:1"))
    assert error.reason is Reason.CONNECTION
    assert "CANARY" not in str(error)


def test_a_proxy_is_used(rig: Rig) -> None:
    proxy = rig.mock_api.url.removesuffix("/v1")
    assert client("http://api.invalid/v1", proxy_url=proxy).get(BATCHES)["items"] == []


def test_what_may_pass_is_asked_again_and_counted_each_time(rig: Rig) -> None:
    meter, pauses = Meter(), Pauses()
    rig.mock_api.faults.add(faults.status(503), times=1)
    rig.mock_api.faults.add(faults.reset(), times=1)
    client(rig.mock_api.url, meter=meter, wait=pauses).get(BATCHES)
    assert meter.codes == [("/batch", "503"), ("/batch", "error"), ("/batch", "200")]
    assert len([pause for pause in pauses.seconds if pause >= 0.25]) == 2


def test_it_is_not_asked_for_ever(rig: Rig, asking: Client) -> None:
    rig.mock_api.faults.add(faults.status(500))
    failure(asking)
    assert len(rig.mock_api.requests) == 3


@pytest.mark.parametrize("header", ["30", email.utils.formatdate(NOW + 30, usegmt=True)], ids=["seconds", "date"])
@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_holds_the_account(rig: Rig, header: str, code: int) -> None:
    pauses = Pauses()
    rig.mock_api.faults.add(faults.status(code, {"Retry-After": header}), times=1)
    client(rig.mock_api.url, wait=pauses).get(BATCHES)
    assert any(29 <= pause <= 30 for pause in pauses.seconds)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another-protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", id="too-many-headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999 + b"\r\n\r\n", id="a-long-header"),
        *(
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n{}" % length, id=f"length {length!r:.20}")
            for length in (b"2, 3", b"2\r\nContent-Length: 3", b"two", b"-1", b"+2", b"0x2", b"", b"2,", b"9" * 5000)
        ),
    ],
)
def test_an_answer_that_is_not_http_is_told_from_none(head: bytes) -> None:
    with scripted(head) as server:
        error = failure(client(server.url))
    assert error.reason is Reason.CONNECTION
    assert "the answer is not valid HTTP" in str(error)


@pytest.mark.parametrize("length", [b"2, 2", b"2\r\nContent-Length: 2", b"2 ,2,2"])
def test_a_length_that_is_stated_twice_is_one(length: bytes) -> None:
    """A proxy may join equal headers. The connection stays open: its end must not be waited for."""
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n{}" % length, every=600.0) as server:
        assert client(server.url).get(BATCHES) == {}


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_page_of_a_firewall_is_told_from_an_answer_of_the_api(rig: Rig, asking: Client, status: int) -> None:
    rig.mock_api.faults.add(faults.html(status))
    assert "(an HTML page, as of a proxy or a firewall)" in str(failure(asking))
    rig.mock_api.faults.clear()
    rig.mock_api.faults.add(faults.status(status))
    assert "HTML" not in str(failure(asking))


def test_no_cache_on_the_way_may_answer_with_what_it_has_kept() -> None:
    with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as server:
        client(server.url).get(BATCHES)
    assert b"\r\ncache-control: no-cache\r\n" in server.asked[0].lower()


def test_time_waited_for_the_budget_is_counted(rig: Rig) -> None:
    meter = Meter()
    rig.mock_api.faults.add(faults.status(429, {"Retry-After": "30"}), times=1)
    client(rig.mock_api.url, meter=meter).get(BATCHES)
    assert 29 <= meter.waited <= 31


def test_an_answer_is_returned_unless_its_bytes_are_known(rig: Rig, asking: Client) -> None:
    rig.world.add("document_batches", document_batch("rb_1", NOW))
    first, answer = asking.get_unless(BATCHES, b"")
    assert answer == asking.get(BATCHES)
    assert asking.get_unless(BATCHES, first) == (first, None)
    rig.world.add("document_batches", document_batch("rb_2", NOW))
    second, answer = asking.get_unless(BATCHES, first)
    assert second != first
    assert answer == asking.get(BATCHES)


@pytest.mark.parametrize("size", [0, 2])
def test_an_answer_with_known_bytes_is_not_decoded_and_gives_its_memory_back(rig: Rig, size: int) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{number}", NOW) for number in range(size)])
    budget, meter, decoded = MemoryBudget(1_000_000), Meter(), list[object]()
    asking = client(rig.mock_api.url, meter=meter, limits=RequestLimits(budget), read_error=decoded.append)
    known, answer = asking.get_unless(BATCHES, b"")
    assert decoded == [answer]
    assert asking.get_unless(BATCHES, known) == (known, None)
    assert len(decoded) == 1
    assert budget.bytes == 0
    assert meter.codes == [("/batch", "200")] * 2


def test_the_body_of_an_error_is_never_known(rig: Rig, asking: Client) -> None:
    """The request is retried, and fails as without a digest. Afterwards the answer is known again."""
    known, _ = asking.get_unless(BATCHES, b"")
    body = b"".join(requests.get(f"{rig.mock_api.url}/batch", headers={"X-Inkit-API-Token": TOKEN}, timeout=GENEROUS))
    rig.mock_api.requests.clear()
    rig.mock_api.faults.add(faults.status(500, body=body), times=3)
    with pytest.raises(FetchError) as caught:
        asking.get_unless(BATCHES, known)
    assert caught.value.reason is Reason.SERVER_ERROR
    assert len(rig.mock_api.requests) == 3
    rig.mock_api.faults.add(faults.status(503), times=1)
    assert asking.get_unless(BATCHES, known) == (known, None)


def test_an_error_in_a_body_fails_and_is_not_known_afterwards(rig: Rig) -> None:
    """PackageX says in the body that a request has failed."""
    body = b'{"status": 400, "message": "no such page", "data": null, "errors": ["page"]}'
    asking = client(rig.mock_api.url, system="packagex")
    digests = [b""]
    for _ in range(2):
        rig.mock_api.faults.add(faults.raw(body), times=1)
        with pytest.raises(FetchError):
            digests.append(asking.get_unless(BATCHES, digests[-1])[0])
    assert digests == [b""]


def test_stopping_ends_a_wait() -> None:
    pauses = Pauses()
    pauses.stopping.set()
    with pytest.raises(Stopping):
        client("http://127.0.0.1:1/v1", wait=pauses).get(BATCHES)


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else(rig: Rig, asking: Client) -> None:
    rig.mock_api.faults.add(faults.redirect(rig.mock_api.url + "/elsewhere"))
    failure(asking)
    assert {request.path for request in rig.mock_api.requests} == {"/batch"}


def test_each_request_reads_the_token_again(rig: Rig) -> None:
    tokens: Iterator[str] = iter(["wrong", "demo-token"])
    asking = client(rig.mock_api.url, token=lambda: next(tokens))
    assert failure(asking).reason is Reason.AUTH
    assert asking.get(BATCHES)["items"] == []


def test_several_answers_come_in_the_order_asked_for(rig: Rig, asking: Client) -> None:
    rig.world.extend("document_batches", [document_batch(f"rb_{number}", NOW + number) for number in range(40)])
    requests = [Request("/batch", "/batch", {"page": str(number), "page_size": "1"}) for number in range(1, 41)]
    answers = [answer for answer in asking.get_each(requests, as_it_is) if not isinstance(answer, FetchError)]
    found = [answer["items"][0]["id"] for answer in answers]
    assert found == [f"rb_{number}" for number in reversed(range(40))]


def test_no_more_are_asked_at_once_than_allowed(rig: Rig) -> None:
    asking = client(rig.mock_api.url, at_once=3)
    requests = (Request("/batch", "/batch", {"page": str(number)}) for number in range(1, 100))
    answers = asking.get_each(requests, as_it_is)
    for _ in range(5):
        next(answers)
    assert len(rig.mock_api.requests) <= 5 + 3


def test_who_stops_after_one_answer_has_asked_for_one(rig: Rig, asking: Client) -> None:
    answers = asking.get_each(
        (Request("/batch", "/batch", {"page": str(number)}) for number in range(1, 100)), as_it_is
    )
    next(answers)
    assert len(rig.mock_api.requests) == 1


def test_an_answer_is_read_when_it_comes_and_not_when_it_is_wanted(asking: Client) -> None:
    known: queue.Queue[JSON] = queue.Queue()

    def read(answer: JSON) -> str:
        known.put(answer)
        return "read"

    answers = asking.get_each([BATCHES] * 20, read)
    assert [next(answers) for _ in range(3)] == ["read"] * 3
    for _ in range(4):
        known.get(timeout=GENEROUS)


def test_a_failure_among_several_stands_in_its_place_and_does_not_end_the_others(rig: Rig, asking: Client) -> None:
    requests = [BATCHES, Request("/batch/{id}", "/batch/rb_none"), BATCHES]
    first, failed, last = asking.get_each(requests, as_it_is)
    assert isinstance(failed, FetchError)
    assert failed.status == 404
    assert first == last


def test_when_all_answers_are_there_no_thread_is_left(asking: Client) -> None:
    before = set(threading.enumerate())
    assert len(list(asking.get_each([BATCHES] * 20, as_it_is))) == 20
    for thread in set(threading.enumerate()) - before:
        if thread.name == "GET":
            thread.join(GENEROUS)
            assert not thread.is_alive()


@pytest.mark.parametrize(("fault", "what"), [(faults.html(), "text/html"), (faults.raw(b"["), "its body")])
def test_of_an_answer_that_is_not_json_its_kind_is_said_where_that_helps(
    rig: Rig, asking: Client, fault: Fault, what: str
) -> None:
    rig.mock_api.faults.add(fault)
    error = failure(asking)
    assert f"not JSON ({what}, " in str(error)
    assert error.status == 200


def test_the_user_agent_names_the_exporter_and_its_version() -> None:
    assert USER_AGENT.startswith("batch-exporter/")
