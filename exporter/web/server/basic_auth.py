"""Who may ask: basic authentication with bcrypt. No password is kept, and the event loop is not held up."""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import secrets
import threading
from collections.abc import Mapping

import bcrypt

MAX_WAITING = 32
"""Passwords that are waiting to be checked. More are not taken in: a check costs some 70 ms of CPU time."""
_KEPT = 100
"""Results of each kind that are kept, as in the exporter-toolkit."""
_BCRYPT_BYTES = 72
"""What bcrypt looks at of a password. Go cuts off the rest, and so did every bcrypt before."""


class Busy(Exception):
    """Too many passwords are waiting to be checked."""


class Checker:
    """Checks passwords, one at a time, in a thread; results are kept.

    Kept under a keyed hash: whoever finds the program's memory in a dump finds no password. Wrong ones are kept too,
    as a scraper with an old password asks again and again, but apart: so many of them that are tried can't push out
    the right ones.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._kept: dict[bool, dict[bytes, None]] = {True: {}, False: {}}
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    async def admits(self, users: Mapping[str, str], authorization: bytes | None) -> bool:
        """Whether an Authorization header is that of one of the users, of whom there is one at least. Raises Busy."""
        given = credentials(authorization)
        if given is None:
            return False
        names = {name.encode(): hashed for name, hashed in users.items()}
        name, password = given
        # For a user that there isn't, it must take as long as for one that there is.
        hashed = names.get(name) or next(iter(names.values()))
        return await self._matches(name, password, hashed.encode()) and name in names

    async def _matches(self, name: bytes, password: bytes, hashed: bytes) -> bool:
        key = self._key(name, password, hashed)
        known = self._known(key)
        if known is not None:
            return known
        if self._waiting >= MAX_WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                known = self._known(key)
                if known is None:
                    known = await _in_a_thread(password, hashed)
                    self._keep(key, matches=known)
        finally:
            self._waiting -= 1
        return known

    def _key(self, *parts: bytes) -> bytes:
        mixed = hashlib.blake2b(key=self._secret)
        for part in parts:
            mixed.update(hashlib.sha256(part).digest())
        return mixed.digest()

    def _known(self, key: bytes) -> bool | None:
        return next((matches for matches, kept in self._kept.items() if key in kept), None)

    def _keep(self, key: bytes, *, matches: bool) -> None:
        kept = self._kept[matches]
        if len(kept) >= _KEPT:
            del kept[next(iter(kept))]
        kept[key] = None


def credentials(authorization: bytes | None) -> tuple[bytes, bytes] | None:
    """The name and the password in an Authorization header, or None if it has none (RFC 7617)."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        return None
    try:
        decoded = base64.b64decode(authorization[6:], validate=True)
    except binascii.Error:
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


async def _in_a_thread(password: bytes, hashed: bytes) -> bool:
    """bcrypt, in a thread that nobody waits for at the end of the program: a hash of cost 18 takes many seconds."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def check() -> None:
        matches = False
        with contextlib.suppress(ValueError):  # What bcrypt can't take is nobody's password.
            matches = bcrypt.checkpw(password[:_BCRYPT_BYTES], hashed)
        with contextlib.suppress(RuntimeError):  # The loop has ended.
            loop.call_soon_threadsafe(_set, done, matches)

    threading.Thread(target=check, name="password", daemon=True).start()
    return await done


def _set(done: asyncio.Future[bool], matches: bool) -> None:
    if not done.done():
        done.set_result(matches)
