"""Who is let in by name and password."""

import asyncio
import base64
import gc
import threading
from collections.abc import Callable, Coroutine
from types import FunctionType, ModuleType
from typing import TypeVar

import bcrypt
import pytest

from exporter.web.server.basic_auth import MAX_WAITING, Busy, PasswordChecker, credentials
from tests.support.patience import GENEROUS


def hashed(password: bytes, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(password[:72], bcrypt.gensalt(4, prefix)).decode()


USERS = {"alice": hashed(b"secret"), "bjørn": hashed("pæssword:with a colon".encode()), "empty": hashed(b"")}
_T = TypeVar("_T")


def header(name: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


class Counting:
    """bcrypt that counts its calls, and waits where it is asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[bytes] = []
        self.at_once = 0
        self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()
        self._real = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, expected: bytes) -> bool:
        self.calls.append(expected)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.go.wait(GENEROUS)
        self.at_once -= 1
        return self._real(password, expected)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


def run(what: Callable[[PasswordChecker], Coroutine[object, object, _T]]) -> _T:
    async def begin() -> _T:
        return await what(PasswordChecker())

    return asyncio.run(begin())


def allows(authorization: bytes | None, users: dict[str, str] = USERS) -> bool:
    return run(lambda checker: checker.allows(users, authorization))


@pytest.mark.parametrize("credentials", [("alice", "secret"), ("bjørn", "pæssword:with a colon"), ("empty", "")])
def test_a_user_with_the_right_password_is_let_in(credentials: tuple[str, str]) -> None:
    assert allows(header(*credentials))


@pytest.mark.parametrize(
    "credentials",
    [("alice", "Secret"), ("alice", ""), ("alice", "secret "), ("Alice", "secret"), ("", "secret"), ("bob", "secret")],
)
def test_nobody_else_is_let_in(credentials: tuple[str, str]) -> None:
    assert not allows(header(*credentials))


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_hashes_of_every_tool_are_understood(prefix: bytes) -> None:
    by_tool = hashed(b"secret").replace("$2b$", f"${prefix.decode()}$")
    assert allows(header("alice", "secret"), {"alice": by_tool})


def test_of_a_long_password_what_bcrypt_looks_at_must_be_right() -> None:
    users = {"alice": hashed(b"x" * 100)}
    assert allows(header("alice", "x" * 100), users)
    assert not allows(header("alice", "x" * 71), users)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !!!",
        b"Basic YWxpY2U=",
        b"Bearer YWxpY2U6c2VjcmV0",
        b"BasicYWxpY2U6c2VjcmV0",
        b"Basic YWxpY2U6!c2VjcmV0",
    ],
)
def test_what_is_no_basic_authentication_is_turned_away(authorization: bytes | None) -> None:
    assert credentials(authorization) is None
    assert not allows(authorization)


def test_the_scheme_may_be_written_in_any_case() -> None:
    assert credentials(b"bASIC YWxpY2U6c2VjOnJldA==") == (b"alice", b"sec:ret")


def test_a_user_that_there_is_not_costs_as_much_as_one_that_there_is(counting: Counting) -> None:
    assert not allows(header("nobody", "secret"))
    assert len(counting.calls) == 1
    assert counting.calls[0].decode() in USERS.values()


def test_a_password_that_bcrypt_cannot_take_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(password: bytes, expected: bytes) -> bool:
        raise ValueError

    monkeypatch.setattr(bcrypt, "checkpw", refusing)
    assert not allows(header("alice", "secret"))


def test_the_hash_of_another_user_lets_nobody_in_whatever_is_kept() -> None:
    async def both(checker: PasswordChecker) -> list[bool]:
        users = {"alice": USERS["alice"]}
        attempts = [header("alice", "secret"), header("nobody", "secret"), header("nobody", "secret")]
        return [await checker.allows(users, attempt) for attempt in attempts]

    assert run(both) == [True, False, False]


@pytest.mark.parametrize("password", ["secret", "wrong"])
def test_a_password_is_checked_once_however_often_it_comes(counting: Counting, password: str) -> None:
    async def many(checker: PasswordChecker) -> list[bool]:
        beside = await asyncio.gather(*(checker.allows(USERS, header("alice", password)) for _ in range(5)))
        return [*beside, await checker.allows(USERS, header("alice", password))]

    assert set(run(many)) == {password == "secret"}
    assert len(counting.calls) == 1


def test_a_new_hash_is_checked_again(counting: Counting) -> None:
    async def twice(checker: PasswordChecker) -> list[bool]:
        later = {"alice": hashed(b"another")}
        return [await checker.allows(users, header("alice", "secret")) for users in (USERS, later)]

    assert run(twice) == [True, False]
    assert len(counting.calls) == 2


def test_wrong_passwords_do_not_push_out_the_right_one(counting: Counting) -> None:
    async def flood(checker: PasswordChecker) -> int:
        await checker.allows(USERS, header("alice", "secret"))
        for number in range(120):
            await checker.allows(USERS, header("alice", str(number)))
        before = len(counting.calls)
        await checker.allows(USERS, header("alice", "secret"))
        return len(counting.calls) - before

    assert run(flood) == 0


def reachable(root: object) -> list[object]:
    """Return what an object holds, and what that holds, but for code."""
    found, left = {id(root): root}, [root]
    while left:
        for referent in gc.get_referents(left.pop()):
            if id(referent) not in found and not isinstance(referent, type | ModuleType | FunctionType):
                found[id(referent)] = referent
                left.append(referent)
    return list(found.values())


def test_what_is_kept_is_bounded_and_holds_no_password(counting: Counting) -> None:
    async def flood(checker: PasswordChecker) -> PasswordChecker:
        for number in [*range(120), *range(119, 18, -1)]:
            await checker.allows(USERS, header("alice", f"CANARY{number}"))
        return checker

    checker = run(flood)
    assert len(counting.calls) == 121, "the last hundred are known, and the one before them is not"
    texts = [str(value) for value in reachable(checker) if isinstance(value, bytes | bytearray | str)]
    assert len(texts) > 100
    assert [text for text in texts if "CANARY" in text] == []


def test_passwords_are_checked_one_at_a_time_and_the_event_loop_goes_on(counting: Counting) -> None:
    async def many(checker: PasswordChecker) -> None:
        counting.go.clear()
        attempts = [asyncio.create_task(checker.allows(USERS, header("alice", str(number)))) for number in range(8)]
        while not counting.calls:
            await asyncio.sleep(0)
        counting.go.set()
        await asyncio.gather(*attempts)

    run(many)
    assert (len(counting.calls), counting.most_at_once) == (8, 1)


def test_more_passwords_than_can_wait_are_not_taken_in(counting: Counting) -> None:
    async def too_many(checker: PasswordChecker) -> list[bool | BaseException]:
        counting.go.clear()
        tasks = [
            asyncio.create_task(checker.allows(USERS, header("a", str(number)))) for number in range(MAX_WAITING + 3)
        ]
        while len([task for task in tasks if task.done()]) < 3:
            await asyncio.sleep(0)
        counting.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = run(too_many)
    assert [type(result) for result in results[-3:]] == [Busy] * 3
    assert results[:-3] == [False] * MAX_WAITING


def test_a_known_password_is_let_in_while_many_others_wait(counting: Counting) -> None:
    async def jammed(checker: PasswordChecker) -> bool:
        await checker.allows(USERS, header("alice", "secret"))
        counting.go.clear()
        tasks = [asyncio.create_task(checker.allows(USERS, header("a", str(number)))) for number in range(MAX_WAITING)]
        await asyncio.sleep(0)
        let_in = await checker.allows(USERS, header("alice", "secret"))
        counting.go.set()
        await asyncio.gather(*tasks)
        return let_in

    assert run(jammed)


def test_a_check_that_nobody_waits_for_any_more_disturbs_nobody(counting: Counting) -> None:
    async def abandoned(checker: PasswordChecker) -> list[object]:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        counting.go.clear()
        task = asyncio.create_task(checker.allows(USERS, header("alice", "secret")))
        while not counting.calls:
            await asyncio.sleep(0)
        task.cancel()
        counting.go.set()
        assert await checker.allows(USERS, header("alice", "secret"))
        return complaints

    assert run(abandoned) == []


def test_a_check_that_outlives_the_event_loop_disturbs_nobody(counting: Counting) -> None:
    async def cut_off(checker: PasswordChecker) -> None:
        counting.go.clear()
        task = asyncio.create_task(checker.allows(USERS, header("alice", "secret")))
        while not counting.calls:
            await asyncio.sleep(0)
        task.cancel()

    before = threading.enumerate()
    run(cut_off)
    (checking,) = [thread for thread in threading.enumerate() if thread.name == "password" and thread not in before]
    assert checking.daemon
    counting.go.set()
    checking.join(GENEROUS)
    assert not checking.is_alive()
