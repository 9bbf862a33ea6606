"""Passwords: Argon2id in threads, a bounded number at once (RFC 9106; OWASP's parameters).

Memory 19 MiB, 2 passes, 1 lane: each hash costs the broker about 20 ms, and a thief who guesses as
much.
"""

from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from veilmart.limits import PASSWORD_HASHES_AT_ONCE
from veilmart.protocol.typed_text import opaque
from veilmart.transport.fair_work import InThreads

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
SALT_BYTES = 16
WAITING_MAX = 1000


class Passwords:
    """Hashes and verifies. An unknown user's password is verified against a hash of nothing."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = InThreads(PASSWORD_HASHES_AT_ONCE, WAITING_MAX)
        self._dummy = self.hash_now(random(16).hex())

    def hash_now(self, password: str) -> str:
        """The encoded hash; blocks for its 20 ms."""
        return self._hasher.hash(opaque(password), salt=self._random(SALT_BYTES))

    def verify_now(self, hashed: str | None, password: str) -> bool:
        """Whether the password fits; never for None, which costs the same."""
        try:
            fits = self._hasher.verify(self._dummy if hashed is None else hashed, opaque(password))
        except (VerificationError, InvalidHashError):
            return False
        return fits and hashed is not None

    async def hash(self, password: str, owner: str = "") -> str:
        """`hash_now` in a thread, in `owner`'s turn. Raises ServerBusy when too many wait."""
        return await self._threads.run(owner, self.hash_now, password)

    async def verify(self, hashed: str | None, password: str, owner: str = "") -> bool:
        """`verify_now` in a thread, likewise."""
        return await self._threads.run(owner, self.verify_now, hashed, password)
