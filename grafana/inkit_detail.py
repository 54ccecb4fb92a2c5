"""The lower half of Inkit's dashboard: success ratios, open records, durations and traffic."""

from collections.abc import Sequence
from dataclasses import replace

from grafana.events import Events
from grafana.failing import oldest_lines, open_lines, success_lines
from grafana.layout import Row, line
from grafana.panels import Query, bar_gauge, counts, lines
from grafana.promql import (
    ACCOUNTS,
    COMPLETED,
    DESTINATION,
    FAILED,
    NAMED,
    RATE,
    WINDOW,
    WORKFLOW,
    either,
    error_ratio,
    gauge,
    grown,
    quantile,
    success,
    total,
)
from grafana.tables import label, table, value


def rows(generations: Sequence[Events]) -> tuple[Row, ...]:
    """Return the lower rows. `generations` are those of document batches, workflow batches and invocations."""
    return _service(generations), _open(), _durations(), _traffic(generations), _window()


def _service(generations: Sequence[Events]) -> Row:
    return Row(
        "Success",
        (
            line(
                8,
                success_lines("Success by kind", "Generations, by kind of record.", *_by_kind(generations)),
                success_lines(
                    "Success by destination",
                    "Generations of batches and invocations, by destination.",
                    _by_destination(generations),
                ),
                success_lines(
                    "Success by workflow",
                    "Generations of invocations, by workflow (accounts with `workflow_label: true`).",
                    _by_workflow(generations[-1]),
                ),
            ),
        ),
    )


def _by_kind(generations: Sequence[Events]) -> list[Query]:
    return [
        Query(success(error_ratio(generation.failures(WINDOW), generation.grown(COMPLETED, WINDOW))), generation.what)
        for generation in generations
    ]


def _by_destination(generations: Sequence[Events]) -> Query:
    failed, completed = (
        either([generation.grown(status, WINDOW) for generation in generations]) for status in (FAILED, COMPLETED)
    )
    return Query(success(error_ratio(failed, completed, "destination")), "{{destination}}")


def _by_workflow(invocations: Events) -> Query:
    named = replace(invocations, matchers=(*invocations.matchers, 'workflow!=""'))
    errors = error_ratio(named.failures(WINDOW), named.grown(COMPLETED, WINDOW), "workflow")
    return Query(success(errors), "{{workflow}}")


def _open() -> Row:
    in_progress = 'status!~"completed|failed|timed_out|expired|error|cancelled|canceled"'
    batches = gauge("inkit_batch_generations", DESTINATION, in_progress)
    invocations = gauge("inkit_invocation_generations", DESTINATION, WORKFLOW, in_progress)
    generations = bar_gauge(
        "Open generations by destination",
        "Generations in progress now. Those of workflow batches are also counted under invocations.",
        Query(f"sum by (kind, destination) ({batches}) > 0", "{{kind}} batches, {{destination}}"),
        Query(f"sum by (destination) ({invocations}) > 0", "invocations, {{destination}}"),
        unit="short",
        decimals=0,
    )
    return Row("Work in progress", (line(8, open_lines("inkit"), oldest_lines("inkit"), generations),))


def _durations() -> Row:
    shares = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))
    note = (
        "Time from creation of a record to the first poll that saw it finished, in the rolling window. Precision: the "
        "poll interval and the histogram's buckets."
    )
    batches = lines(
        "Duration of batches",
        note,
        *(
            Query(
                quantile(share, "inkit_batch_duration_seconds", by=[*ACCOUNTS, "kind"]),
                f"{NAMED} {{{{kind}}}}: {name}",
            )
            for share, name in shares
        ),
        unit="s",
    )
    invocations = lines(
        "Duration of invocations",
        note,
        *(
            Query(quantile(share, "inkit_invocation_duration_seconds", by=ACCOUNTS), f"{NAMED}: {name}")
            for share, name in shares
        ),
        unit="s",
    )
    return Row("Durations", (line(8, batches, invocations),))


def _traffic(generations: Sequence[Events]) -> Row:
    documents, _, invocations = generations
    completed = either([event.grown(COMPLETED, RATE) for event in (documents, invocations)])
    finished = grown("inkit_invocations_finished_total", WORKFLOW, over=RATE)
    return Row(
        "Traffic",
        (
            line(
                8,
                counts(
                    "Batches finished",
                    "Finished batches, by creation status.",
                    Query(
                        f"sum by (kind, status) ({grown('inkit_batches_finished_total', over=RATE)})",
                        "{{kind}} {{status}}",
                    ),
                ),
                counts(
                    "Invocations finished",
                    "Finished invocations, by status of the workflow.",
                    Query(f"sum by (status) ({finished})", "{{status}}"),
                ),
                counts(
                    "Generations completed",
                    "Completed generations of document batches and invocations, by destination.",
                    Query(f"sum by (destination) ({completed})", "{{destination}}"),
                ),
            ),
        ),
    )


def _window() -> Row:
    note = "Records in the lookback window now."
    batches = table(
        "Batches in the window",
        f"{note} The status is that of the creation of the batch: its generations may still be open.",
        [
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("kind", "Kind"),
            label("status", "Creation"),
            value("Batches", f"{total(gauge('inkit_batches'), *ACCOUNTS, 'kind', 'status')} > 0", "short", decimals=0),
        ],
        sort="Batches",
    )
    documents = bar_gauge(
        "Documents in the window",
        f"{note} The panel shows the documents that their batches contain.",
        Query(total(gauge("inkit_batch_documents"), *ACCOUNTS, "kind"), f"{NAMED} {{{{kind}}}}"),
        unit="short",
        decimals=0,
    )
    invocations = table(
        "Invocations in the window",
        f"{note} A workflow can be completed although its delivery failed.",
        [
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("status", "Workflow"),
            label("destination_status", "Delivery"),
            value(
                "Invocations",
                f"{total(gauge('inkit_invocations', WORKFLOW), *ACCOUNTS, 'status', 'destination_status')} > 0",
                "short",
                decimals=0,
            ),
        ],
        sort="Invocations",
    )
    return Row("Lookback window", (line(8, batches, invocations, documents),))
