"""The first dashboard: problems, their place and time; overview_detail.py has its lower half."""

from grafana import overview_detail, variables
from grafana.events import (
    INKIT_CREATIONS,
    INKIT_GENERATIONS,
    PACKAGEX_EVENTS,
    failed,
    inkit_error_ratio,
    inkit_failures,
    packagex_batches,
    packagex_error_ratio,
)
from grafana.failing import (
    budget_stat,
    data_age_stat,
    failed_lines,
    failed_stat,
    not_polled_stat,
    open_lines,
    places_table,
    stuck_stat,
    stuck_table,
)
from grafana.frame import FIRING, SINCE, Dashboard, opens
from grafana.layout import Line, Row, line, wide
from grafana.panels import NONE_IS_GOOD, Panel, Query, stat
from grafana.promql import ACCOUNTS, FAILED, NAMED, RANGE, RATE, budget_left, total
from grafana.tables import label, table, value

UID = "batch-exporter-overview"
_HEALTH = ("Exporter health", opens("batch-exporter-health"))


def _wrong() -> Row:
    firing = stat(
        "Firing alerts",
        "Firing alerts of the exporter's rules for the selected accounts, and those without an account.",
        Query(f"count({FIRING}) or vector(0)"),
        unit="short",
        thresholds=NONE_IS_GOOD,
    )
    failures = failed_stat(
        "Failures",
        "Failed generations, batches and invocations in the range. A generation of a workflow batch is counted once, "
        "under its invocation.",
        total(failed(RANGE)),
    )
    budget = budget_stat(
        "Inkit: generations. PackageX: batches.",
        Query(budget_left(inkit_error_ratio(RANGE)), "Inkit"),
        Query(budget_left(packagex_error_ratio(RANGE)), "PackageX"),
    )
    health = (not_polled_stat().linked(*_HEALTH), data_age_stat().linked(*_HEALTH))
    return Row("Problems", (line(4, firing, failures, budget, stuck_stat("inkit", "packagex"), *health),))


def _where() -> Row:
    columns = [
        label("system", "System", overview_detail.SYSTEM_LINK),
        label("cluster", "Cluster"),
        label("account", "Account"),
        label("what", "What"),
        label("place", "Destination or resource"),
        label("detail", "Workflow, action or phase"),
    ]
    failing = places_table((*INKIT_GENERATIONS, *INKIT_CREATIONS, *PACKAGEX_EVENTS), columns)
    first = wide(9, (14, failing), (10, stuck_table("inkit", "packagex")))
    return Row("Problems by place", (first, _since()))


def _since() -> Line:
    # A failure without a destination happened before there was a generation.
    by_destination = f"{total(inkit_failures(RATE), *ACCOUNTS, 'destination')} > 0"
    by_destination = f'label_replace({by_destination}, "destination", "before generation", "destination", "")'
    by_resource = f"{total(packagex_batches(FAILED, RATE), *ACCOUNTS, 'resource')} > 0"
    over_time = failed_lines(
        "Failures over time",
        "Inkit: failures by destination, or before generation if a creation or a workflow failed. PackageX: "
        "failures by resource.",
        Query(by_destination, f"{NAMED} {{{{destination}}}}"),
        Query(by_resource, f"{NAMED} {{{{resource}}}}"),
    )
    return wide(9, (10, over_time), (6, open_lines("inkit", "packagex")), (8, _alerts()))


def _alerts() -> Panel:
    by = ", ".join(("alertname", "severity", *ACCOUNTS))
    began = f"min by ({by}) ({FIRING} * ignoring (alertstate) {SINCE}) * 1000"
    runbook = ("Open the runbook", "${exporter}/runbooks#${__value.text}")
    # The anchor of a heading is in lower case.
    anchors = {"id": "formatString", "options": {"stringField": "runbook", "outputFormat": "Lower Case"}}
    return table(
        "Alerts firing now",
        "Firing alerts and since when they fire. Click the last column to open the runbook.",
        [
            label("alertname", "Alert"),
            label("cluster", "Cluster"),
            label("account", "Account"),
            label("severity", "Severity"),
            value("Since", f'label_replace({began}, "runbook", "$1", "alertname", "(.*)")', "dateTimeFromNow"),
            label("runbook", "Runbook", runbook),
        ],
        sort="Since",
        no_value="no firing alerts",
        first=[anchors],
    )


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: overview",
        "Failed and stuck records: where, and since when. Document batches, workflow batches and invocations of Inkit, "
        "and batches of PackageX.",
        (
            variables.system(),
            variables.account('system=~"$system"'),
            variables.objective(),
            variables.window(),
        ),
        (_wrong(), _where(), *overview_detail.rows()),
    )
