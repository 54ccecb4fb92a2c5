"""Compare two configurations: which accounts are added, changed, removed and kept. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.config import Account


@dataclass(frozen=True, slots=True)
class Changes:
    """The accounts of two configurations, each in one of four groups."""

    added: tuple[Account, ...] = ()
    changed: tuple[Account, ...] = ()
    """The changed accounts, with their new settings."""
    removed: tuple[Account, ...] = ()
    kept: tuple[Account, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the number of accounts in each group."""
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "removed": len(self.removed),
            "kept": len(self.kept),
        }


def changes(before: Sequence[Account], after: Sequence[Account]) -> Changes:
    """Return what has changed between two lists of accounts. The name identifies an account.

    An account has changed if any of its settings has. A token file with new content is no change of a setting: it is
    read again at the next request.
    """
    known = {account.name: account for account in before}
    names = {account.name for account in after}
    return Changes(
        added=tuple(account for account in after if account.name not in known),
        changed=tuple(account for account in after if account.name in known and account != known[account.name]),
        removed=tuple(account for account in before if account.name not in names),
        kept=tuple(account for account in after if account == known.get(account.name)),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a reload."""

    successful: bool
    message: str
    """The message for the operator; safe to show."""
