"""Faults put in on purpose, which the attacker has to recognise: else it proves nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

from tests.privacy.attacked_market import Attack
from veilmart.customer.connection.performer import Performer
from veilmart.customer.purchase.file_writer import deliver
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.protocol.link_messages import FetchSegment, TunnelRelay

SECONDS_PER_PRODUCT = 0.002


@contextmanager
def slow_by_product(
    attack: Attack, seconds_per_product: float = SECONDS_PER_PRODUCT
) -> Iterator[None]:
    """The merchant takes that much longer for each next product; its answers leave at once."""
    decide = MerchantApp._decide

    async def slow(app: MerchantApp, link: Any, received: Any) -> Any:
        if isinstance(received.message, TunnelRelay | FetchSegment):
            await asyncio.sleep(seconds_per_product * attack.buying)
        return await decide(app, link, received)

    with (
        patch.object(MerchantApp, "_decide", slow),
        patch("veilmart.merchant.server.http_app.held_to_slot", nullcontext),
    ):
        yield


@contextmanager
def acknowledged_at_once(attack: Attack, seconds_per_product: float = 0.0) -> Iterator[None]:
    """The acknowledgement leaves when the file is written: the old wallet.

    seconds_per_product: of a disk that takes longer for each next product.
    """
    on_disk = Performer._on_disk

    async def pace(_performer: Performer, _effect: Any) -> float:
        return asyncio.get_running_loop().time()

    async def slow_disk(performer: Performer, effect: Any) -> Any:
        if getattr(effect.function, "func", effect.function) is deliver:  # a partial with options
            await asyncio.sleep(seconds_per_product * attack.buying)
        return await on_disk(performer, effect)

    with patch.object(Performer, "_pace", pace), patch.object(Performer, "_on_disk", slow_disk):
        yield
