"""What happens in the APIs while it is measured how soon somebody is paged. How long it takes is not seen here."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.demo.items import document_batch, generations, invocation
from exporter.demo.packagex.items import packagex_batch
from tests.support.chain import Apis
from tests.support.pager import Page, Pager

Step = Callable[[Apis, float], None]
"""A change; the time is that of the record's creation."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that pages."""

    what: str
    system: str
    collector: str
    alert: str
    polls: int
    """How many polls it may take until it is exposed."""
    before: Step
    """What has been there for a while."""
    happens: Step
    finishes: Step | None = None
    """For what does not end by itself."""
    stuck: bool = False


@dataclass(slots=True, eq=False)
class Sample:
    """One kind of thing that happens once in an account of its own, and so in a group of alerts of its own."""

    kind: Kind
    account: str
    apis: Apis
    killed: bool
    began: float = 0.0
    """When it happens, in epoch seconds."""
    ended: float = 0.0
    """From when on nothing of it was left; for a failure this is when it happened."""
    _created: float = 0.0

    def before(self, too_long: float) -> None:
        self._created = self.began - too_long if self.kind.stuck else time.time()
        self.kind.before(self.apis, self._created)

    def happen(self) -> None:
        self.kind.happens(self.apis, self._created)
        if not self.kind.stuck:
            self.began = time.time()
        self.ended = self.began

    def finish(self) -> None:
        if self.kind.finishes is not None:
            self.kind.finishes(self.apis, self._created)
            self.ended = time.time()

    def pages(self, pager: Pager) -> list[Page]:
        return pager.pages(self.kind.alert, self.account)


def _document_batch(completed: int, failed: int) -> Step:
    def step(there: Apis, created: float) -> None:
        counts = {"sepire": generations(3, completed, failed)}
        there.world.add("document_batches", document_batch("rb_1", created, destinations=counts))

    return step


def _invocation(status: str) -> Step:
    def step(there: Apis, created: float) -> None:
        there.world.add("invocations", invocation("rend_1", created, destinations={"box": status}))

    return step


def _new_destination(there: Apis, created: float) -> None:
    there.world.add("invocations", invocation("rend_1", created, destinations={"pigeon": "Failed", "box": "Completed"}))


def _own_failure(there: Apis, created: float) -> None:
    delivery = {"box": "In Progress"}
    there.world.add("invocations", invocation("rend_1", created, status="Failed", destinations=delivery))


def _packagex_batch(status: str) -> Step:
    def step(there: Apis, created: float) -> None:
        there.batches.add(packagex_batch("batch_1", created, status=status, items=4))

    return step


def _nothing(there: Apis, created: float) -> None:
    """Do nothing: the record does not exist yet."""


def _time_passes(there: Apis, created: float) -> None:
    """Do nothing: the record is only a moment older."""


KINDS = (
    Kind(
        "a generation fails (Inkit)",
        "inkit",
        "document_batches",
        "InkitGenerationFailed",
        1,
        _document_batch(0, 0),
        _document_batch(2, 1),
    ),
    Kind(
        "a batch fails (PackageX)",
        "packagex",
        "batches",
        "PackageXBatchFailed",
        1,
        _packagex_batch("processing"),
        _packagex_batch("failed"),
    ),
    Kind(
        "the first batch of its kind has failed (PackageX)",
        "packagex",
        "batches",
        "PackageXBatchFailed",
        2,
        _nothing,
        _packagex_batch("failed"),
    ),
    Kind(
        "a record becomes stuck (Inkit)",
        "inkit",
        "invocations",
        "InkitInFlightTooLong",
        0,
        _invocation("In Progress"),
        _time_passes,
        _invocation("Completed"),
        stuck=True,
    ),
)

GENERATION, BATCH, FIRST_BATCH, _ = KINDS
NEW_DESTINATION = Kind(
    "a generation fails at a destination that the API does not document (Inkit)",
    "inkit",
    "invocations",
    "InkitGenerationFailed",
    2,
    _nothing,
    _new_destination,
)
OWN_FAILURE = Kind(
    "an invocation fails while a delivery is open (Inkit)",
    "inkit",
    "invocations",
    "InkitInvocationFailed",
    1,
    _nothing,
    _own_failure,
)
