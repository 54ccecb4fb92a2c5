"""The dashboard of Inkit: what fails or is stuck, at which destination and in which workflow; the rest is in detail."""

from grafana import inkit_detail, variables
from grafana.events import INKIT_CREATIONS, INKIT_GENERATIONS, inkit_error_ratio
from grafana.failing import budget_stat, failed_lines, failed_stat, places_table, stuck_stat, stuck_table
from grafana.frame import Dashboard
from grafana.layout import Row, line, wide
from grafana.panels import Query
from grafana.promql import ACCOUNTS, NAMED, RANGE, RATE, TARGET, budget_left, either, total
from grafana.tables import label

UID = "batch-exporter-inkit"
_NOTE = "Narrowed by destination, and for invocations by workflow."
_GENERATIONS = tuple(one.narrowed() for one in INKIT_GENERATIONS)
_CREATIONS = tuple(one.narrowed() for one in INKIT_CREATIONS)


def _wrong() -> Row:
    generations = [
        failed_stat(
            f"Failed: {one.what}",
            f"Generations of {one.what} that failed in the range. {_NOTE}",
            total(one.failures(RANGE)),
        )
        for one in _GENERATIONS
    ]
    creations = failed_stat(
        "Failed before generation",
        "Batches whose creation, and invocations whose workflow failed in the range: they may have no generation at "
        "all. Not narrowed by destination.",
        total(either([one.failures(RANGE) for one in _CREATIONS])),
    )
    budget = budget_stat("For all destinations and workflows.", Query(budget_left(inkit_error_ratio(RANGE))))
    return Row("Is anything wrong?", (line(4, *generations, creations, budget, stuck_stat("inkit")),))


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
            f"Failures over time: {one.what}",
            f"Generations of {one.what} that failed, by destination. {_NOTE}",
            Query(f"{total(one.failures(RATE), *ACCOUNTS, 'destination')} > 0", f"{NAMED} {{{{destination}}}}"),
        )
        for one in _GENERATIONS
    ]
    first = wide(9, (14, failing), (10, stuck_table("inkit")))
    return Row("Where, and since when?", (first, line(8, *over_time)))


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: Inkit",
        "Document batches, workflow batches and invocations of Inkit: what fails or is stuck, at which destination and "
        "in which workflow.",
        (
            variables.account('system="inkit"'),
            variables.labels(
                "destination",
                "Destination",
                "Where generations go.",
                'label_values({__name__=~"inkit_(batch|invocation)_generations_finished_total",'
                f'{TARGET},account=~"$account"}}, destination)',
                ".*",
            ),
            variables.labels(
                "workflow",
                "Workflow",
                "Narrows invocations only. There is something to choose for accounts with `workflow_label: true`.",
                f'label_values(inkit_invocations_finished_total{{{TARGET},account=~"$account"}}, workflow)',
                ".*",
            ),
            variables.objective(),
            variables.window(),
        ),
        (_wrong(), _where(), *inkit_detail.rows(_GENERATIONS)),
    )
