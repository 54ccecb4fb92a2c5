"""What another configuration means for a program at work: which accounts come, go, change and stay. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.config import Account


@dataclass(frozen=True, slots=True)
class Changes:
    """Accounts, each in one of four lots."""

    added: tuple[Account, ...] = ()
    changed: tuple[Account, ...] = ()
    """As they are from now on."""
    removed: tuple[Account, ...] = ()
    kept: tuple[Account, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many there are in each lot."""
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "removed": len(self.removed),
            "kept": len(self.kept),
        }


def changes(before: Sequence[Account], after: Sequence[Account]) -> Changes:
    """An account is known by its name, and has changed if any of its settings has.

    Of a token, the setting is where it is found: a file with other content is read again without any of this.
    """
    known = {account.name: account for account in before}
    names = {account.name for account in after}
    return Changes(
        added=tuple(one for one in after if one.name not in known),
        changed=tuple(one for one in after if one.name in known and one != known[one.name]),
        removed=tuple(one for one in before if one.name not in names),
        kept=tuple(one for one in after if one == known.get(one.name)),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reload ended."""

    successful: bool
    message: str
    """For the operator; safe to show."""
