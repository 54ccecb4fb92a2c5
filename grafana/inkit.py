"""The dashboard of Inkit: failed and stuck records by destination and workflow; inkit_detail.py has its lower half."""

from grafana import inkit_detail, variables
from grafana.events import INKIT_CREATIONS, INKIT_GENERATIONS, inkit_error_ratio
from grafana.failing import budget_stat, failed_lines, failed_stat, places_table, stuck_stat, stuck_table
from grafana.frame import Dashboard
from grafana.layout import Row, line, wide
from grafana.panels import Query
from grafana.promql import ACCOUNTS, NAMED, RANGE, RATE, TARGET, budget_left, either, total
from grafana.tables import label

UID = "batch-exporter-inkit"
_NOTE = "The variable Destination applies; Workflow applies to invocations only."
_GENERATIONS = tuple(event.narrowed() for event in INKIT_GENERATIONS)
_CREATIONS = tuple(event.narrowed() for event in INKIT_CREATIONS)


def _wrong() -> Row:
    generations = [
        failed_stat(
            f"Failed: {generation.what}",
            f"Failed generations of {generation.what} in the range. {_NOTE}",
            total(generation.failures(RANGE)),
        )
        for generation in _GENERATIONS
    ]
    creations = failed_stat(
        "Failed before generation",
        "Batches whose creation failed, and invocations whose workflow failed, in the range. They may have no "
        "generations. The variable Destination does not apply.",
        total(either([creation.failures(RANGE) for creation in _CREATIONS])),
    )
    budget = budget_stat("For all destinations and workflows.", Query(budget_left(inkit_error_ratio(RANGE))))
    return Row("Problems", (line(4, *generations, creations, budget, stuck_stat("inkit")),))


def _where() -> Row:
    columns = [
        label("cluster", "Cluster"),
        label("account", "Account"),
        label("what", "What"),
        label("place", "Destination"),
        label("detail", "Workflow"),
    ]
    failing = places_table((*_GENERATIONS, *_CREATIONS), columns)
    over_time = [
        failed_lines(
            f"Failures over time: {generation.what}",
            f"Failed generations of {generation.what}, by destination. {_NOTE}",
            Query(f"{total(generation.failures(RATE), *ACCOUNTS, 'destination')} > 0", f"{NAMED} {{{{destination}}}}"),
        )
        for generation in _GENERATIONS
    ]
    first = wide(9, (14, failing), (10, stuck_table("inkit")))
    return Row("Problems by place", (first, line(8, *over_time)))


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: Inkit",
        "Failed and stuck document batches, workflow batches and invocations of Inkit, by destination and workflow.",
        (
            variables.account('system="inkit"'),
            variables.labels(
                "destination",
                "Destination",
                "The destination of generations.",
                'label_values({__name__=~"inkit_(batch|invocation)_generations_finished_total",'
                f'{TARGET},account=~"$account"}}, destination)',
                ".*",
            ),
            variables.labels(
                "workflow",
                "Workflow",
                "Applies to invocations only, and to accounts with `workflow_label: true`.",
                f'label_values(inkit_invocations_finished_total{{{TARGET},account=~"$account"}}, workflow)',
                ".*",
            ),
            variables.objective(),
            variables.window(),
        ),
        (_wrong(), _where(), *inkit_detail.rows(_GENERATIONS)),
    )
