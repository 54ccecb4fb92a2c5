"""`/-/reload` over real sockets, as Prometheus has it."""

import contextlib
import threading
from concurrent.futures import Future

import pytest

from exporter.config.diff import Outcome
from exporter.web.reload import MAX_WAITING, lifecycle
from tests.support.serving import GENEROUS, HASTY, Program, ask, connect, eventually, serving


class Reloads:
    """Stands for what reloads: a test gives the outcomes."""

    def __init__(self) -> None:
        self.asked: list[Future[Outcome]] = []
        self.came = threading.Semaphore(0)

    def ask(self) -> Future[Outcome]:
        self.asked.append(Future())
        self.came.release()
        return self.asked[-1]

    def ends(self, outcome: Outcome) -> None:
        """Let the next requested reload end with this outcome."""
        threading.Thread(target=self._end, args=(outcome,), daemon=True).start()

    def _end(self, outcome: Outcome) -> None:
        assert self.came.acquire(timeout=GENEROUS)
        self.asked[-1].set_result(outcome)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_it_is_forbidden_unless_it_is_enabled(method: str) -> None:
    with serving(Program()) as place:
        answer, body = ask(place, method, "/-/reload")
        assert (answer.status, body) == (403, b"Lifecycle API is not enabled.\n")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_may_not_reload(site: str) -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask)) as place:
        answer, _ = ask(place, "POST", "/-/reload", **{"Sec-Fetch-Site": site})
        assert answer.status == 403
    assert not reloads.asked


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("reloads", [None, Reloads()])
def test_only_post_and_put_are_allowed(method: str, reloads: Reloads | None) -> None:
    with serving(Program(reload=None if reloads is None else reloads.ask)) as place:
        answer, _ = ask(place, method, "/-/reload")
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST, PUT")
    assert reloads is None or not reloads.asked


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_it_reloads_and_says_what_has_changed(method: str) -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask)) as place:
        reloads.ends(Outcome(True, "Reloaded."))
        answer, body = ask(place, method, "/-/reload")
        assert (answer.status, body) == (200, b"Reloaded.\n")
    assert len(reloads.asked) == 1


def test_a_reload_that_fails_is_an_error_of_the_server_with_all_problems() -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask)) as place:
        reloads.ends(Outcome(False, "It failed.\nconfig.yaml:3: wrong"))
        answer, body = ask(place, "POST", "/-/reload")
        assert (answer.status, body) == (500, b"It failed.\nconfig.yaml:3: wrong\n")


def test_while_a_reload_goes_on_others_are_answered() -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask)) as place:
        answers: list[int] = []
        waiting = threading.Thread(target=lambda: answers.append(ask(place, "POST", "/-/reload")[0].status))
        waiting.start()
        assert reloads.came.acquire(timeout=GENEROUS)
        assert ask(place, "GET", "/-/healthy")[0].status == 200
        assert not answers
        reloads.asked[0].set_result(Outcome(True, "Reloaded."))
        waiting.join(GENEROUS)
        assert answers == [200]


def test_who_waits_for_a_reload_is_not_cut_off() -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask), HASTY) as place:
        later = threading.Timer(3 * HASTY.request_seconds, reloads.ends, [Outcome(True, "Reloaded.")])
        later.start()
        assert ask(place, "POST", "/-/reload")[0].status == 200


def test_a_reload_that_goes_on_does_not_keep_the_server_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    reloads = Reloads()
    failed: list[Exception] = []

    def post() -> None:
        try:
            ask(place, "POST", "/-/reload")
        except OSError as error:
            failed.append(error)

    with serving(Program(reload=reloads.ask)) as place:
        waiting = threading.Thread(target=post)
        waiting.start()
        assert reloads.came.acquire(timeout=GENEROUS)
    waiting.join(GENEROUS)
    assert failed
    assert not [record for record in caplog.records if record.exc_info]


def test_a_reload_that_does_not_end_is_answered_after_a_while() -> None:
    reloads = Reloads()
    program = Program()
    program.app.routes |= lifecycle(reloads.ask, patience=0.1)
    with serving(program) as place:
        answer, body = ask(place, "POST", "/-/reload")
    assert (answer.status, body) == (
        500,
        b"The reload has not ended within 0.1 seconds and continues. See the log.\n",
    )


def test_when_many_wait_for_a_reload_more_are_sent_away() -> None:
    reloads = Reloads()
    with serving(Program(reload=reloads.ask)) as place, contextlib.ExitStack() as clients:
        for _ in range(MAX_WAITING):
            clients.enter_context(connect(place)).sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reloads.came.acquire(timeout=GENEROUS)
        assert ask(place, "POST", "/-/reload")[0].status == 503
        assert ask(place, "GET", "/metrics")[0].status == 200
        reloads.asked[0].set_result(Outcome(True, "Reloaded."))
        reloads.ends(Outcome(True, "Reloaded."))
        eventually(lambda: ask(place, "POST", "/-/reload")[0].status == 200)
