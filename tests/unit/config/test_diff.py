"""Which accounts come, go, change and stay: pure, from two configurations."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.config import Account, Token, WebhookSecret
from exporter.config.diff import Changes, changes
from exporter.model.tls import TLSConfig
from tests.support.accounts import account

OTHER: dict[str, object] = {
    "system": "packagex",
    "token": Token(Path("/run/secrets/other")),
    "base_url": "https://other.example",
    "collectors": ("invocations", "document_batches"),
    "filters": {},
    "workflow_batch_ids": (),
    "workflow_label": True,
    "proxy_url": SecretStr("http://user:other@proxy.example"),
    "tls_config": TLSConfig(ca_file=Path("other.pem")),
    "poll_interval": 61.0,
    "lookback": 601.0,
    "reconcile_interval": 61.0,
    "in_flight_max_age": 601.0,
    "stale_after": 61.0,
    "stuck_after": 31.0,
    "request_timeout": 31.0,
    "max_requests_per_second": 6.0,
    "max_concurrent_requests": 5,
    "page_size": 101,
    "duration_buckets": (1.0,),
    "per_collector": {"invocations": account(page_size=5)},
    "created_timestamps": True,
    "webhook": WebhookSecret(Path("/run/secrets/other")),
}


def test_accounts_that_are_equal_are_kept_wherever_they_stand() -> None:
    a, b = account("a"), account("b")
    assert changes([a, b], [account("b"), account("a")]) == Changes(kept=(b, a))


@pytest.mark.parametrize("name", [field.name for field in fields(Account) if field.name != "name"])
def test_an_account_has_changed_if_any_of_its_settings_has(name: str) -> None:
    changed: dict[str, Any] = {name: OTHER[name]}
    after = account(**changed)
    assert changes([account()], [after]) == Changes(changed=(after,))


def test_another_name_is_another_account() -> None:
    assert changes([account("a")], [account("b")]) == Changes(added=(account("b"),), removed=(account("a"),))


def test_from_nothing_all_are_added() -> None:
    assert changes([], [account("a"), account("b")]) == Changes(added=(account("a"), account("b")))


ACCOUNTS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 3)).map(
    lambda chosen: [account(name, page_size=size) for name, size in chosen.items()]
)


@given(ACCOUNTS, ACCOUNTS)
def test_each_account_is_in_one_lot_and_the_lots_lead_from_one_configuration_to_the_other(
    before: list[Account], after: list[Account]
) -> None:
    found = changes(before, after)
    ended = {account.name for account in (*found.changed, *found.removed)}
    staying = [account for account in before if account.name not in ended]
    by_name = sorted([*staying, *found.added, *found.changed], key=lambda account: account.name)
    assert by_name == sorted(after, key=lambda account: account.name)
    assert sorted(staying, key=lambda account: account.name) == sorted(found.kept, key=lambda account: account.name)
    assert sum(found.counts().values()) == len({account.name for account in (*before, *after)})
