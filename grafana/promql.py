"""Building blocks of PromQL; events.py has the meaning of metrics.

Several exporters may expose one account: one that was replaced, or two by accident. Each query takes their largest
value before it adds up accounts, so that no account counts twice.

`over` is always a window of a range selector, such as `$__range`.
"""

from collections.abc import Sequence

FAILED = 'status=~"failed|timed_out|expired|error"'
COMPLETED = 'status="completed"'
TARGET = 'cluster=~"$cluster",job=~"$job"'
"""The selected clusters and jobs. "All" includes series without these labels."""
ACCOUNT = 'account=~"$account"'
DESTINATION = 'destination=~"$destination"'
WORKFLOW = 'workflow=~"$workflow"'
SYSTEM = 'system=~"$system"'
RESOURCE = 'resource=~"$resource"'

ACCOUNTS = ("cluster", "account")
"""The labels that identify an account: two clusters may use the same name."""
NAMED = "{{cluster}} {{account}}"
"""An account in a legend."""

RATE = "$__rate_interval"
RANGE = "$__range"
WINDOW = "$window"


def select(metric: str, *matchers: str) -> str:
    """Return a selector of the chosen accounts' series, those of each exporter."""
    return f"{metric}{{{','.join((TARGET, ACCOUNT, *matchers))}}}"


def once(expr: str, function: str = "max") -> str:
    """Return one series for what several exporters expose: the largest value, or the smallest with `min`."""
    return f"{function} without (instance, pod, job) ({expr})"


def gauge(metric: str, *matchers: str) -> str:
    """Return the values of a gauge, each account's once."""
    return once(select(metric, *matchers))


def grown(metric: str, *matchers: str, over: str) -> str:
    """Return by how much a counter has grown, each account's once."""
    return once(f"increase({select(metric, *matchers)}[{over}])")


def rate(metric: str, *matchers: str, over: str) -> str:
    """Return how fast a counter grows in a second, each account's once."""
    return once(f"rate({select(metric, *matchers)}[{over}])")


def either(parts: Sequence[str]) -> str:
    """Return the series of all parts. Their label sets must differ."""
    return " or ".join(parts)


def total(expr: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def ratio(part: str, whole: str) -> str:
    """Return part / whole, and no sample if the whole is 0: a gap instead of NaN."""
    return f"{part} / ({whole} > 0)"


def quantile(share: float, metric: str, *matchers: str, by: Sequence[str]) -> str:
    """Return a quantile of a histogram over the rolling window. `by` has the account: each may have its own bounds."""
    return f"histogram_quantile({share}, {total(rate(f'{metric}_bucket', *matchers, over=WINDOW), 'le', *by)})"


def times(function: str, expr: str) -> str:
    """Return the first (`min`) or last (`max`) time in the range with a sample, in milliseconds."""
    return f"{function}_over_time(timestamp({expr})[{RANGE}:$__interval]) * 1000"


def age(timestamp: str) -> str:
    return f"time() - {timestamp}"


def error_ratio(failed: str, completed: str, *by: str) -> str:
    return ratio(total(failed, *by), total(either([failed, completed]), *by))


def success(errors: str) -> str:
    return f"1 - {errors}"


def burn_rate(errors: str) -> str:
    """Return the error ratio as a multiple of the error ratio that the objective allows."""
    return f"{errors} / (1 - $objective / 100)"


def budget_left(errors: str) -> str:
    """Return the share of the error budget that is left. Below 0 the objective is missed."""
    return f"1 - {burn_rate(errors)}"
