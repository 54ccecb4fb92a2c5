"""Queries for failed and finished records of both systems, by the counters that count them. Panels are elsewhere.

The failures of a counter are its increase.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grafana.promql import (
    ACCOUNTS,
    COMPLETED,
    DESTINATION,
    FAILED,
    RESOURCE,
    WORKFLOW,
    either,
    error_ratio,
    grown,
    once,
    select,
    total,
)


@dataclass(frozen=True, slots=True)
class Events:
    """One kind of event: its name, its counter, and the labels for its place."""

    system: str
    what: str
    metric: str
    matchers: tuple[str, ...] = ()
    place: str = ""
    detail: str = ""
    failed: str = FAILED

    def grown(self, status: str, over: str) -> str:
        """Return the increase of events with this status, a matcher."""
        return grown(self.metric, *self.matchers, status, over=over)

    def failures(self, over: str) -> str:
        return self.grown(self.failed, over)

    def narrowed(self) -> "Events":
        """Return the events of the selected destinations, workflows and resources, if they have these labels."""
        chosen = {"destination": DESTINATION, "workflow": WORKFLOW, "resource": RESOURCE}
        more = (chosen[label] for label in (self.place, self.detail) if label in chosen)
        return replace(self, matchers=(*self.matchers, *more))

    def placed(self, over: str) -> str:
        """Return failures with the labels `system` and `what`, and those of their place as `place` and `detail`."""
        expr = self.failures(over)
        for label, source in (("place", self.place), ("detail", self.detail)):
            if source:
                expr = f'label_replace({expr}, "{label}", "$1", "{source}", "(.*)")'
        for label, value in (("what", self.what), ("system", self.system)):
            expr = f'label_replace({expr}, "{label}", "{value}", "", "")'
        return expr


_BATCH_GENERATIONS = "inkit_batch_generations_finished_total"
_INVOCATION_GENERATIONS = "inkit_invocation_generations_finished_total"
_BATCHES = "inkit_batches_finished_total"
_INVOCATIONS = "inkit_invocations_finished_total"
_DOCUMENT = 'kind="document"'
_WORKFLOW = 'kind="workflow"'

INKIT_GENERATIONS = (
    Events("inkit", "document batches", _BATCH_GENERATIONS, (_DOCUMENT,), "destination"),
    Events("inkit", "workflow batches", _BATCH_GENERATIONS, (_WORKFLOW,), "destination"),
    Events("inkit", "invocations", _INVOCATION_GENERATIONS, (), "destination", "workflow"),
)
INKIT_CREATIONS = (
    Events("inkit", "document batches: creation", _BATCHES, (_DOCUMENT,)),
    Events("inkit", "workflow batches: creation", _BATCHES, (_WORKFLOW,)),
    Events("inkit", "invocations: workflow", _INVOCATIONS, (), "", "workflow"),
)
PACKAGEX_EVENTS = (
    Events("packagex", "batches", "packagex_batches_finished_total", (), "resource", "action"),
    Events(
        "packagex", "items", "packagex_batch_items_finished_total", (), "resource", "phase", failed='outcome="error"'
    ),
)


def places(events: Sequence[Events], over: str, by: Sequence[str]) -> str:
    """Return failures by place, without places that have none. `by` are labels of `Events.placed`, or ACCOUNTS."""
    return total(either([event.placed(over) for event in events]), *by) + " > 0"


def inkit_generations(status: str, over: str) -> str:
    """Return finished generations, each counted once.

    Generations of a workflow batch are also generations of its invocations. They are taken from batches only for
    accounts whose invocations are not polled.
    """
    documents = grown(_BATCH_GENERATIONS, _DOCUMENT, status, over=over)
    invocations = grown(_INVOCATION_GENERATIONS, status, over=over)
    workflows = grown(_BATCH_GENERATIONS, _WORKFLOW, status, over=over)
    polled = once(f"present_over_time({select(_INVOCATION_GENERATIONS)}[{over}])")
    return either([documents, invocations, f"({workflows} unless on ({', '.join(ACCOUNTS)}) {polled})"])


def inkit_failures(over: str) -> str:
    """Return failed generations, and records whose creation or workflow failed before there were generations."""
    creations = (grown(metric, FAILED, over=over) for metric in (_BATCHES, _INVOCATIONS))
    return either([inkit_generations(FAILED, over), *creations])


def packagex_batches(status: str, over: str) -> str:
    return grown("packagex_batches_finished_total", status, over=over)


def failed(over: str) -> str:
    """Return failures of both systems, each counted once."""
    return either([inkit_failures(over), packagex_batches(FAILED, over)])


def completed(over: str) -> str:
    """Return completions of both systems, each counted once."""
    return either([inkit_generations(COMPLETED, over), packagex_batches(COMPLETED, over)])


def inkit_error_ratio(over: str, *by: str) -> str:
    return error_ratio(inkit_failures(over), inkit_generations(COMPLETED, over), *by)


def packagex_error_ratio(over: str, *by: str) -> str:
    return error_ratio(packagex_batches(FAILED, over), packagex_batches(COMPLETED, over), *by)
