"""The lower half of the first dashboard: success by account, destination, workflow and resource."""

from grafana.events import (
    completed,
    failed,
    inkit_error_ratio,
    inkit_generations,
    packagex_error_ratio,
)
from grafana.failing import DATA_AGE_SHARE, NOT_POLLED, oldest, stuck, success_lines
from grafana.frame import opens
from grafana.layout import Row, line
from grafana.panels import BUDGET, DATA_AGE, NONE_IS_GOOD, Panel, Query, bar_gauge, lines
from grafana.promql import (
    ACCOUNTS,
    COMPLETED,
    FAILED,
    RANGE,
    SYSTEM,
    WINDOW,
    age,
    budget_left,
    burn_rate,
    either,
    error_ratio,
    gauge,
    grown,
    success,
    total,
)
from grafana.tables import label, table, value

SYSTEM_LINK = ("Open the dashboard", opens("batch-exporter-${__value.text}", account="${__data.fields.Account}"))


def rows() -> tuple[Row, ...]:
    return _service(), Row(
        "Success by account, destination, workflow and resource", (line(8, _accounts()), line(8, *_bars()))
    )


def _service() -> Row:
    ratio = success_lines(
        "Success ratio",
        "The dashed line is the objective.",
        Query(success(inkit_error_ratio(WINDOW)), "Inkit generations"),
        Query(success(packagex_error_ratio(WINDOW)), "PackageX batches"),
    )
    burn = lines(
        "Burn rate",
        "How fast failures use up the error budget. At 1 the budget lasts exactly its period. At 14 a month's budget "
        "lasts two days.",
        Query(burn_rate(inkit_error_ratio(WINDOW)), "Inkit"),
        Query(burn_rate(packagex_error_ratio(WINDOW)), "PackageX"),
        unit="short",
        decimals=1,
    )
    return Row("Service level", (line(8, ratio, burn),))


def _accounts() -> Panel:
    errors = error_ratio(failed(RANGE), completed(RANGE), *ACCOUNTS)
    opened = total(gauge("batch_exporter_records", SYSTEM, 'state="in_flight"'), "system", *ACCOUNTS)
    stuck_records = total(stuck("inkit", "packagex"), *ACCOUNTS)
    created = f"({oldest('inkit', 'packagex')})"
    of_each = ", ".join(("system", *ACCOUNTS))
    return table(
        "Accounts",
        "One row for each account: failing collectors, data age, and results in the range.",
        [
            label("system", "System", SYSTEM_LINK),
            label("cluster", "Cluster"),
            label("account", "Account"),
            value("Collectors failing", total(NOT_POLLED, "system", *ACCOUNTS), "short", NONE_IS_GOOD, 0),
            value("Data age, of stale_after", f"max by ({of_each}) ({DATA_AGE_SHARE})", "percentunit", DATA_AGE, 0),
            value("Finished", total(either([failed(RANGE), completed(RANGE)]), *ACCOUNTS), "short", decimals=0),
            value("Failed", total(failed(RANGE), *ACCOUNTS), "short", NONE_IS_GOOD, 0),
            value("Success", success(errors), "percentunit", decimals=2),
            value("Budget left", budget_left(errors), "percentunit", BUDGET, 0),
            value("Open", opened, "short", decimals=0),
            value("Stuck", stuck_records, "short", NONE_IS_GOOD, 0),
            value("Oldest open", f"max by ({', '.join(ACCOUNTS)}) ({age(created)})", "s"),
        ],
        sort="Failed",
        no_value="-",
    )


def _bars() -> tuple[Panel, ...]:
    destinations = [inkit_generations(status, RANGE) for status in (FAILED, COMPLETED)]
    named = ("inkit_invocation_generations_finished_total", 'workflow!=""')
    workflows = [grown(*named, status, over=RANGE) for status in (FAILED, COMPLETED)]
    return (
        _success(
            "Success by destination",
            "Inkit: successful generations as a share of finished ones in the range, by destination.",
            error_ratio(*destinations, "destination"),
            "destination",
        ),
        _success(
            "Success by workflow",
            "Inkit: successful generations of invocations as a share of finished ones in the range, by workflow. Only "
            "for accounts with `workflow_label: true`.",
            error_ratio(*workflows, "workflow"),
            "workflow",
        ),
        _success(
            "Success by resource",
            "PackageX: successful batches as a share of finished ones in the range, by resource.",
            packagex_error_ratio(RANGE, "resource"),
            "resource",
        ),
    )


def _success(title: str, description: str, errors: str, by: str) -> Panel:
    query = Query(f"sort({success(errors)})", f"{{{{{by}}}}}")
    return bar_gauge(title, description, query, unit="percentunit", maximum=1)
