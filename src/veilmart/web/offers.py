"""Questions that wait for their confirmation: the second of two steps names the first one.

A page that asks (pay this amount? delete this?) carries a nonce. What is confirmed is what was
shown under that nonce, not what a form's fields say. A second submission of the same form, by a
double click or by going back, leads to the result of the first one.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from veilmart.errors import PageOutdated
from veilmart.limits import WEB_OFFER_SECONDS, WEB_OFFERS_MAX

T = TypeVar("T")
NONCE_BYTES = 24


@dataclass
class _Waiting(Generic[T]):
    value: T
    ends_at: float
    result: str | None = None


class Offers(Generic[T]):
    """What was shown and may be confirmed once."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: monotonic seconds."""
        self._now = now
        self._waiting: dict[str, _Waiting[T]] = {}
        self._turn = asyncio.Lock()

    def show(self, value: T) -> str:
        """The nonce for a form that confirms `value`."""
        self._forget()
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        self._waiting[nonce] = _Waiting(value, self._now() + WEB_OFFER_SECONDS)
        return nonce

    def shown(self, nonce: str) -> T:
        """What was shown under that nonce. Raises PageOutdated."""
        self._forget()
        found = self._waiting.get(nonce)
        if found is None:
            raise PageOutdated
        return found.value

    def confirm(self, nonce: str, act: Callable[[T], str]) -> str:
        """Act once; returns where to go (a path), the same again when confirmed again.

        Raises PageOutdated, and what `act` raises; after that the form can be sent again.
        """
        self._forget()
        found = self._waiting.get(nonce)
        if found is None:
            raise PageOutdated
        if found.result is None:
            found.result = act(found.value)
        return found.result

    async def perform(self, nonce: str, act: Callable[[T], Awaitable[str]]) -> str:
        """`confirm` for acts that wait: one at a time, so that a second click finds the result."""
        async with self._turn:
            value = self.shown(nonce)
            found = self._waiting[nonce]
            if found.result is None:
                found.result = await act(value)
            return found.result

    def _forget(self) -> None:
        now = self._now()
        self._waiting = {n: entry for n, entry in self._waiting.items() if entry.ends_at > now}
        while len(self._waiting) >= WEB_OFFERS_MAX:
            del self._waiting[next(iter(self._waiting))]
