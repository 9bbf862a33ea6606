"""Repeating a request whose answer was lost, or whose receiver was away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from veilmart.errors import BrokerUnreachable, MerchantUnreachable, OpenFailed, ServerBusy

T = TypeVar("T")

# These pauses cover a restart of the other side; the person is told of a longer absence.
PAUSES_SECONDS = (0.2, 0.6, 1.5)
_TEMPORARY = (BrokerUnreachable, MerchantUnreachable, ServerBusy, OpenFailed)


async def with_retries(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of `ask`, repeated after temporary failures; raises the last one.

    Only for requests that may be repeated: by their operation id, or without an effect.
    """
    for pause in PAUSES_SECONDS:
        try:
            return await ask()
        except _TEMPORARY:
            await asyncio.sleep(pause)
    return await ask()
