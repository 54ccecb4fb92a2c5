"""`/failures` of a replica: its own records, and those of accounts that other replicas own."""

import json
import threading
from collections.abc import Collection

from exporter.exposition.snapshot import CollectorSnapshot, Elsewhere
from exporter.web.app import App
from exporter.web.routes import Probes
from tests.support.examples import failure
from tests.support.html_reader import Reader
from tests.support.patience import GENEROUS, eventually
from tests.support.serving import Program, ask, serving


class Replica(Program):
    """A replica that polls the account `here`, and finds the rest in a database that may take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Elsewhere((CollectorSnapshot("there", "inkit", "runs", failures=(failure("r_there", 60),)),))
        self.asked: list[tuple[Collection[str], Collection[str]]] = []
        self.answers = threading.Event()
        self.answers.set()
        self.store.publish(CollectorSnapshot("here", "inkit", "runs", failures=(failure("r_here", 120),)))
        self.app = App(self.exposition, self.store, Probes(lambda: True, lambda: None, elsewhere=self.find))

    def find(self, here: Collection[str], asked: Collection[str]) -> Elsewhere:
        self.asked.append((set(here), set(asked)))
        assert self.answers.wait(GENEROUS)
        return self.found


def test_records_of_all_replicas_are_shown_and_filtered_alike() -> None:
    program = Replica()
    with serving(program) as place:
        every = json.loads(ask(place, "GET", "/failures?format=json")[1])
        assert [each["id"] for each in every["failures"]] == ["r_there", "r_here"]
        assert "other_replicas_missing" not in every
        some = json.loads(ask(place, "GET", "/failures?format=json&account=there")[1])
        assert [each["id"] for each in some["failures"]] == ["r_there"]
    assert program.asked == [({"here"}, set()), ({"here"}, {"there"})]


def test_an_account_that_was_claimed_meanwhile_is_shown_once() -> None:
    program = Replica()
    program.found = Elsewhere((CollectorSnapshot("here", "inkit", "runs", failures=(failure("r_here", 120),)),))
    with serving(program) as place:
        every = json.loads(ask(place, "GET", "/failures?format=json")[1])
    assert [each["id"] for each in every["failures"]] == ["r_here"]


def test_without_the_database_a_replica_shows_its_own_and_says_that_others_are_missing() -> None:
    program = Replica()
    program.found = Elsewhere((CollectorSnapshot("there", "inkit", "runs"),), "nothing answers there", 1)
    with serving(program) as place:
        found = json.loads(ask(place, "GET", "/failures?format=json")[1])
        page = ask(place, "GET", "/failures")[1].decode()
    assert [each["id"] for each in found["failures"]] == ["r_here"]
    assert found["other_replicas_missing"] == "nothing answers there"
    assert "Failed records of 1 account that other replicas poll are missing: nothing answers there." in " ".join(
        Reader(page).text.split()
    )


def test_no_other_page_waits_for_the_database() -> None:
    program = Replica()
    program.answers.clear()
    with serving(program) as place:
        waiting = threading.Thread(target=ask, args=(place, "GET", "/failures"))
        waiting.start()
        eventually(lambda: bool(program.asked))
        try:
            for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
                assert ask(place, "GET", path)[0].status == 200
            assert waiting.is_alive()
        finally:
            program.answers.set()
            waiting.join(GENEROUS)
