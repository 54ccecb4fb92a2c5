"""Decide which account's request gets the next free worker. Pure: there is no thread and no clock here.

An account that answers slowly must not take the workers that others need. So a quarter of the workers is reserved for
accounts that answer quickly, and an account gets one worker until it has answered for the first time. Among accounts
the workers go round.
"""

import itertools
from dataclasses import dataclass, field
from typing import Generic, TypeVar

QUICK_SECONDS = 2.0
"""An account is quick if its last answer came within this time, and none of its requests is under way for longer."""

_Job = TypeVar("_Job")


@dataclass(slots=True)
class _Account(Generic[_Job]):
    waiting: list[_Job] = field(default_factory=list)
    """The waiting requests, a short list. An empty deque takes more memory, and there may be thousands of accounts."""
    begun: list[float] = field(default_factory=list)
    """When its requests under way began."""
    seconds: float | None = None
    """How long its last answer took; None before the first one."""
    removed: bool = False
    """Whether it is to be forgotten once none of its requests is left."""

    @property
    def is_over(self) -> bool:
        return self.removed and not self.waiting and not self.begun

    @property
    def may_ask(self) -> bool:
        """Whether it may have another worker."""
        return bool(self.waiting) and (self.seconds is not None or not self.begun)

    def is_quick(self, now: float) -> bool:
        """Return whether it answers quickly, as far as is known now."""
        return self.seconds is not None and max([self.seconds, *(now - began for began in self.begun)]) <= QUICK_SECONDS


class Admission(Generic[_Job]):
    """The requests that wait for a worker, and when those that have one began. Times are seconds of one clock."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._shared = workers - workers // 4
        """How many workers the accounts that are not quick may have together."""
        self._accounts: dict[str, _Account[_Job]] = {}
        self._lines: dict[bool, dict[str, int]] = {True: {}, False: {}}
        """Accounts with waiting requests: quick ones, and others. Each has the number of its turn; they ascend."""
        self._turns = itertools.count()
        self.busy = 0
        """How many workers have a request. Any thread may read this."""
        self._busy: dict[str, None] = {}
        """Accounts with requests under way."""

    def is_quick(self, account: str, now: float) -> bool:
        """Return whether an account answers quickly, as far as is known now."""
        return account in self._accounts and self._accounts[account].is_quick(now)

    def ask(self, account: str, job: _Job, now: float) -> None:
        """Let a request wait for a worker."""
        found = self._accounts.setdefault(account, _Account())
        found.removed = False
        found.waiting.append(job)
        self._line_up(account, now)

    def take(self, now: float) -> tuple[str, _Job] | None:
        """Give a free worker to the request whose turn it is. Return it with its account; None if none may start."""
        name = self._next(now) if self.busy < self._workers else None
        if name is None:
            return None
        account = self._accounts[name]
        job = account.waiting.pop(0)
        account.begun.append(now)
        self.busy += 1
        self._busy[name] = None
        self._line_up(name, now)
        return name, job

    def done(self, account: str, began: float, now: float, *, of_api: bool = True) -> None:
        """Note that a request is answered that `take` gave a worker at `began`.

        `of_api`: whether the account's API answered it. Only then its duration counts for `is_quick`.
        """
        found = self._accounts[account]
        found.begun.remove(began)
        if of_api:
            found.seconds = now - began
        self.busy -= 1
        if not found.begun:
            del self._busy[account]
        self._line_up(account, now)
        if found.is_over:
            del self._accounts[account]

    def remove(self, account: str) -> None:
        """Forget how quick an account is, once none of its requests is left."""
        found = self._accounts.get(account)
        if found is not None:
            found.removed = True
            if found.is_over:
                del self._accounts[account]

    def _line_up(self, name: str, now: float) -> None:
        """Put an account at the end of its line, or move it to the other line if it has become quick or slow."""
        if not self._accounts[name].may_ask:
            return
        quick = self._accounts[name].is_quick(now)
        turn = self._lines[not quick].pop(name, None)
        if name in self._lines[quick]:
            return
        self._lines[quick][name] = next(self._turns)
        if turn is not None:
            # It has waited in the other line.
            self._lines[quick] = dict(sorted({**self._lines[quick], name: turn}.items(), key=lambda item: item[1]))

    def _next(self, now: float) -> str | None:
        """Remove the account whose turn it is from its line, and return it."""
        while True:
            heads = {quick: next(iter(line)) for quick, line in self._lines.items() if line}
            if False in heads and self._others_busy(now) >= self._shared:
                del heads[False]
            if not heads:
                return None
            quick = min(heads, key=lambda kind: self._lines[kind][heads[kind]])
            name = heads[quick]
            if self._accounts[name].is_quick(now) is quick:
                del self._lines[quick][name]
                return name
            self._line_up(name, now)

    def _others_busy(self, now: float) -> int:
        busy = (self._accounts[name] for name in self._busy)
        return sum(len(account.begun) for account in busy if not account.is_quick(now))
