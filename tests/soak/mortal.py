"""A broker's database whose process dies at a chosen transaction."""

from typing import Any

from veilmart.storage.database.lease import Lease
from veilmart.storage.database.port import Database


class Died(BaseException):
    """The broker's process has ended. No program catches it."""


class MortalStore(Database):
    """The real database of one incarnation after another."""

    def __init__(self, real: Database) -> None:
        self.real = real
        self.dead = False
        self._left = 0
        self._after_commit = False
        self._leases: list[Lease] = []

    def die_in(self, transactions: int, *, after_commit: bool) -> None:
        """End in place of the `transactions`-th from now, or between its commit and its answer."""
        self._left, self._after_commit = transactions, after_commit

    def revive(self) -> None:
        """A new process has the database."""
        self.dead, self._left = False, 0

    @property
    def shared(self) -> bool:
        return self.real.shared

    @property
    def commits(self) -> int:
        return self.real.commits

    @property
    def decisions(self) -> int:
        return self.real.decisions

    async def run(self, transaction: Any, *args: Any, **kwargs: Any) -> Any:
        dies = self._is_the_last()
        if self.dead or (dies and not self._after_commit):
            self.dead = True
            raise Died
        result = await self.real.run(transaction, *args, **kwargs)
        if dies or self.dead:
            self.dead = True
            raise Died
        return result

    def run_now(self, transaction: Any, *args: Any, **kwargs: Any) -> Any:
        return self.real.run_now(transaction, *args, **kwargs)

    def read_now(self, reading: Any, *args: Any, **kwargs: Any) -> Any:
        return self.real.read_now(reading, *args, **kwargs)

    def read_long(self, reading: Any, *args: Any, **kwargs: Any) -> Any:
        return self.real.read_long(reading, *args, **kwargs)

    @property
    def log_bytes(self) -> int:
        return self.real.log_bytes

    def lease(self, name: str) -> Lease:
        taken = self.real.lease(name)
        self._leases.append(taken)
        return taken

    async def bury(self) -> None:
        """What the system does for a dead process: its connections end, and leases with them."""
        for lease in self._leases:
            await lease.aclose()

    def close(self) -> None:
        self.real.close()

    async def aclose(self) -> None:
        await self.real.aclose()

    def _is_the_last(self) -> bool:
        if self._left == 0:
            return False
        self._left -= 1
        return self._left == 0
