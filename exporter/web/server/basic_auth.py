"""Basic authentication with bcrypt. No password is kept, and the event loop does not wait for a check."""

import asyncio
import base64
import binascii
import contextlib
import functools
import hashlib
import secrets
from collections.abc import Mapping

import bcrypt

from exporter.web.background import in_thread

MAX_WAITING = 32
"""The maximum number of passwords that wait for a check, which takes some 70 ms of CPU time."""
_MOST_RESULTS = 100
"""The maximum number of kept results, of right and of wrong passwords, as in the exporter-toolkit."""
_BCRYPT_BYTES = 72
"""How much of a password bcrypt uses. Go ignores the rest, as earlier versions of the Python library did."""


class Busy(Exception):
    """Too many passwords are waiting to be checked."""


class PasswordChecker:
    """Checks passwords one at a time in a thread, and keeps the results.

    They are kept under a keyed hash, so that a memory dump has no password. Results of wrong passwords are kept too,
    because a scraper with an old password asks again and again, but apart: however many are tried, right ones stay.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._results: dict[bool, dict[bytes, None]] = {True: {}, False: {}}
        self._one_check = asyncio.Semaphore(1)
        self._waiting = 0

    async def allows(self, users: Mapping[str, str], authorization: bytes | None) -> bool:
        """Return whether an Authorization header is that of one of the users, of whom there is at least one.

        Raises Busy.
        """
        given = credentials(authorization)
        if given is None:
            return False
        names = {name.encode(): hashed for name, hashed in users.items()}
        name, password = given
        # An unknown user must take as long as a known one.
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
            async with self._one_check:
                known = self._known(key)
                if known is None:
                    known = await in_thread(functools.partial(_check, password, hashed), "password")
                    self._keep(key, matches=known)
        finally:
            self._waiting -= 1
        return known

    def _key(self, *parts: bytes) -> bytes:
        combined = hashlib.blake2b(key=self._secret)
        for part in parts:
            combined.update(hashlib.sha256(part).digest())
        return combined.digest()

    def _known(self, key: bytes) -> bool | None:
        return next((matches for matches, keys in self._results.items() if key in keys), None)

    def _keep(self, key: bytes, *, matches: bool) -> None:
        keys = self._results[matches]
        if len(keys) >= _MOST_RESULTS:
            del keys[next(iter(keys))]
        keys[key] = None


def credentials(authorization: bytes | None) -> tuple[bytes, bytes] | None:
    """Return the name and password in an Authorization header, or None if it is none for Basic (RFC 7617)."""
    if authorization is None or authorization[:6].lower() != b"basic ":
        return None
    try:
        decoded = base64.b64decode(authorization[6:], validate=True)
    except binascii.Error:
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


def _check(password: bytes, hashed: bytes) -> bool:
    with contextlib.suppress(ValueError):  # What bcrypt rejects is nobody's password.
        return bcrypt.checkpw(password[:_BCRYPT_BYTES], hashed)
    return False
