"""The dashboard of replicas: who owns how many accounts, what moved and why, and the database between them."""

from grafana import variables
from grafana.frame import Dashboard
from grafana.layout import Line, Row, line
from grafana.panels import NONE_IS_GOOD, Panel, Query, counts, lines, mapped, stat, steps
from grafana.promql import RATE, TARGET, WINDOW

UID = "batch-exporter-replicas"
_REPLICA = "{{cluster}} {{instance}}"
_NOTE = "Each replica counts for itself."


def _of(metric: str, *matchers: str) -> str:
    """Return the values of each replica."""
    return f"batch_exporter_{metric}{{{','.join((TARGET, *matchers))}}}"


def _each(function: str, metric: str) -> str:
    """Return the sum over clusters of what the replicas of each know together."""
    return f"sum({function} by (cluster, job) ({_of(metric)}))"


def _by_replica(expr: str, *more: str) -> str:
    return f"sum by ({', '.join(('cluster', 'instance', *more))}) ({expr})"


def _now() -> Line:
    unowned = stat(
        "Unowned accounts",
        "Configured accounts that no live replica owns or polls. A takeover lasts seconds.",
        Query(_each("max", "accounts_unowned")),
        unit="short",
        thresholds=NONE_IS_GOOD,
        decimals=0,
    )
    live = stat(
        "Live replicas",
        "Replicas whose heartbeat in the database is recent.",
        Query(_each("max", "replicas_live")),
        unit="short",
        thresholds=steps((None, "red"), (1, "orange"), (2, "green")),
        decimals=0,
    )
    database = stat(
        "Database connection",
        "Whether every replica that is scraped reached the database with its last heartbeat.",
        Query(f"min({_of('state_up')})"),
        unit="none",
        thresholds=steps((None, "red"), (1, "green")),
        mappings=[mapped({"0": ("down", "red"), "1": ("up", "green")})],
    )
    configs = stat(
        "Configurations",
        "Different configurations of the live replicas. Only replicas with the newest one take over accounts.",
        Query(f"max({_of('config_hashes')})"),
        unit="short",
        thresholds=steps((None, "green"), (2, "orange")),
        decimals=0,
    )
    return line(6, unowned, live, database, configs)


def _shares() -> Line:
    held = lines(
        "Accounts owned",
        "Accounts that each replica owns. A gap: the replica does not reach the database or is not scraped.",
        Query(_by_replica(_of("leases_held")), _REPLICA),
        unit="short",
    )
    target = lines(
        "Distance from the target",
        "Accounts that each replica owns beyond its fair share; negative if it has fewer. Around zero while no replica "
        "joins or leaves.",
        Query(_by_replica(f"{_of('leases_held')} - {_of('leases_target')}"), _REPLICA),
        unit="short",
    )
    unowned = lines(
        "Live replicas and unowned accounts",
        "Number of live replicas, and of accounts that no replica polls.",
        Query(_each("max", "accounts_unowned"), "unowned accounts"),
        Query(_each("max", "replicas_live"), "live replicas"),
        unit="short",
    )
    return line(8, held, target, unowned)


def _moves() -> Line:
    taken_over = _of("lease_changes_total", 'reason="taken_over"')
    changed = counts(
        "Lease changes by reason",
        "claimed: no replica had the account. taken_over: the owner's heartbeat had expired. shed: given to a replica "
        "with fewer. released: the replica left. removed: no longer configured. lost: another replica took it over.",
        Query(f"sum by (cluster, reason) (increase({_of('lease_changes_total')}[{RATE}]))", "{{cluster}} {{reason}}"),
    )
    takeovers = counts(
        "Takeovers by replica",
        f"Accounts that a replica took over from one whose heartbeat had expired. {_NOTE}",
        Query(_by_replica(f"increase({taken_over}[{RATE}])"), _REPLICA),
    )
    refused = counts(
        "Refused writes",
        "Writes that the database refused because the replica no longer owned the account. Some after a replica was "
        f"stopped are normal. {_NOTE}",
        Query(_by_replica(f"increase({_of('commits_refused_total')}[{RATE}])"), _REPLICA),
    )
    return line(8, changed, takeovers, refused)


def _database() -> tuple[Line, Line]:
    buckets = f"rate({_of('state_operation_duration_seconds_bucket')}[{WINDOW}])"
    latency = lines(
        "Duration of calls",
        "Time until the database has answered, in the rolling window, with the wait for a connection. "
        "records: what polls read and write. leases: heartbeats and claims.",
        *(
            Query(
                f"histogram_quantile({share}, sum by (le, operation) ({buckets}))",
                f"{{{{operation}}}}: {name}",
            )
            for share, name in ((0.5, "p50"), (0.99, "p99"))
        ),
        unit="s",
    )
    calls = lines(
        "Calls by replica",
        f"Calls to the database per second, failed ones included. {_NOTE}",
        Query(
            _by_replica(f"rate({_of('state_operation_duration_seconds_count')}[{RATE}])", "operation"),
            f"{_REPLICA} {{{{operation}}}}",
        ),
        unit="ops",
    )
    up: Panel = lines(
        "Database reached",
        "Whether the last heartbeat of each replica reached the database (1).",
        Query(_by_replica(_of("state_up")), _REPLICA),
        unit="short",
    )
    offset = lines(
        "Clock offset",
        "Time by which the database's clock is ahead of each replica's machine. Leases do not depend on it.",
        Query(f"max by (cluster, instance) ({_of('clock_offset_seconds')})", _REPLICA),
        unit="s",
    )
    return line(8, latency, calls), line(8, up, offset)


def dashboard() -> Dashboard:
    return Dashboard(
        UID,
        "Batches: replicas",
        "Which replica owns how many accounts, what moved between them, and how the database answers.",
        (variables.system(), variables.account('system=~"$system"'), variables.window()),
        (
            Row("Now", (_now(),)),
            Row("Shares", (_shares(),)),
            Row("Moves", (_moves(),)),
            Row("Database", _database()),
        ),
    )
