"""Which accounts receive webhooks, and where."""

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote

from exporter.config import Account
from exporter.exposition.webhook_metrics import WebhookMetrics
from exporter.systems import sources
from exporter.web.webhook_keys import Webhook
from exporter.web.webhooks import PREFIX, Webhooks


def path(account: str) -> str:
    """Return the path of an account's webhooks, as a URL has it."""
    return PREFIX + quote(account, safe="")


def receiving(accounts: Iterable[Account]) -> dict[str, Webhook]:
    """Return the webhooks of those accounts that receive any."""
    return {
        account.name: Webhook(sources()[account.system].system.webhook_header, account.webhook)
        for account in accounts
        if account.webhook is not None
    }


def made(poll: Callable[[str], bool], metrics: WebhookMetrics) -> tuple[Webhooks, Callable[[Sequence[Account]], None]]:
    """Return the webhook receiver, and the function to call with the accounts at the start and after each reload."""
    webhooks = Webhooks(poll, metrics.count)

    def use(accounts: Sequence[Account]) -> None:
        found = receiving(accounts)
        metrics.keep(found)
        webhooks.use(found)

    return webhooks, use
