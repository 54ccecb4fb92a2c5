"""Webhooks are counted for the accounts that receive any, and for nobody else by name."""

import re
from collections.abc import Mapping

from exporter.exposition.scrape import Exposition
from exporter.exposition.self_metrics import SelfMetrics
from exporter.exposition.snapshot import SnapshotStore
from exporter.exposition.webhook_metrics import NOBODY, WebhookMetrics, WebhookResult


def of(live: SelfMetrics) -> tuple[WebhookMetrics, Mapping[str, float]]:
    text = b"".join(Exposition(SnapshotStore(), (), live.registry).render().chunks).decode()
    found = re.findall(r"^batch_exporter_webhooks_total\{(\S+)\} (\S+)$", text, re.MULTILINE)
    assert bool(found) == ("batch_exporter_webhooks" in text)
    return live.webhooks, {labels: float(value) for labels, value in found}


def labels(account: str, result: str) -> str:
    return f'account="{account}",result="{result}"'


def test_without_an_account_that_receives_webhooks_there_is_no_such_metric() -> None:
    metrics, shown = of(live := SelfMetrics("1", "abc", SnapshotStore()))
    assert shown == {}
    metrics.keep(["a"])
    metrics.keep([])
    metrics.count(NOBODY, WebhookResult.UNAUTHORIZED)
    assert of(live)[1] == {}


def test_every_result_is_exposed_at_zero_from_the_start() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    live.webhooks.keep(["a"])
    _, shown = of(live)
    own = {labels("a", result.value): 0.0 for result in WebhookResult}
    assert shown == own | {labels("", "unauthorized"): 0.0, labels("", "too_large"): 0.0}


def test_what_was_counted_stays_over_a_reload_and_leaves_with_the_account() -> None:
    live = SelfMetrics("1", "abc", SnapshotStore())
    live.webhooks.keep(["a", "b"])
    for account in ("a", "b", "b", NOBODY, "unknown"):
        live.webhooks.count(account, WebhookResult.UNAUTHORIZED)
    live.webhooks.keep(["b", "c"])
    live.webhooks.count("a", WebhookResult.UNAUTHORIZED)
    _, shown = of(live)
    counted = {name: value for name, value in shown.items() if value}
    assert counted == {labels("b", "unauthorized"): 2.0, labels("", "unauthorized"): 1.0}
