"""The right to do work that only one server of a role may do at a time: sweeping, reporting."""

from typing import Protocol


class Lease(Protocol):
    """Held by one process at most; passes to another one when its holder dies."""

    async def held(self) -> bool:
        """Whether we hold it now, taking it if nobody does. Never raises for a lost database."""
        ...

    async def aclose(self) -> None:
        """Give it back."""
        ...


class AlwaysHeld:
    """The lease of a server that is the only one by other means (a lock on its home)."""

    async def held(self) -> bool:
        return True

    async def aclose(self) -> None:
        """Nothing to give back."""
