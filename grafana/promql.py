"""The PromQL that queries are put together from; which metrics mean what is in events.py.

Several exporters may expose one account: one that was replaced, or two by mistake. Each query takes the largest value
of them before it adds up accounts, so that none counts twice.

`over` is always a window as it stands in a range selector.
"""

from collections.abc import Sequence

FAILED = 'status=~"failed|timed_out|expired|error"'
COMPLETED = 'status="completed"'
TARGET = 'cluster=~"$cluster",job=~"$job"'
"""Of the chosen clusters and jobs. A series without these labels is of the clusters and jobs that "All" stands for."""
ACCOUNT = 'account=~"$account"'
DESTINATION = 'destination=~"$destination"'
WORKFLOW = 'workflow=~"$workflow"'
SYSTEM = 'system=~"$system"'
RESOURCE = 'resource=~"$resource"'

ACCOUNTS = ("cluster", "account")
"""The labels that name an account: two clusters may have equal ones."""
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
    """The series of all parts, which have no labels in common."""
    return " or ".join(parts)


def total(expr: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def ratio(part: str, whole: str) -> str:
    """Part of a whole; nothing where the whole is 0, so that a quiet time is a gap and no NaN."""
    return f"{part} / ({whole} > 0)"


def quantile(share: float, metric: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """Of a histogram, over the rolling window."""
    return f"histogram_quantile({share}, {total(rate(f'{metric}_bucket', *matchers, over=WINDOW), 'le', *by)})"


def times(function: str, expr: str) -> str:
    """The first (`min`) or last (`max`) time in the range, in milliseconds, at which there was anything."""
    return f"{function}_over_time(timestamp({expr})[{RANGE}:$__interval]) * 1000"


def age(timestamp: str) -> str:
    return f"time() - {timestamp}"


def error_ratio(failed: str, completed: str, *by: str) -> str:
    return ratio(total(failed, *by), total(either([failed, completed]), *by))


def success(errors: str) -> str:
    return f"1 - {errors}"


def burn_rate(errors: str) -> str:
    """How many times faster than the objective allows errors are made."""
    return f"{errors} / (1 - $objective / 100)"


def budget_left(errors: str) -> str:
    """The share of the errors allowed that has not been made; below 0 the objective is missed."""
    return f"1 - {burn_rate(errors)}"
