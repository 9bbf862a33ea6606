"""A merchant's clock that is wrong for a while costs neither codes nor keys nor customers."""

import asyncio
from pathlib import Path

from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import offered, shop_with
from veilmart.merchant.publishing.key_sets import signing_seed
from veilmart.merchant.sales.codes import stock
from veilmart.merchant.sales.orders import find_order
from veilmart.merchant.server.running import sweep, sweep_for_all
from veilmart.protocol.offer import order_of
from veilmart.protocol.order_states import OrderState
from veilmart.terminal.clock_guard import ClockGuard

AHEAD_SECONDS = 120 * 24 * 3600


def test_one_sweep_with_a_wrong_clock_takes_nothing_back(stall: Stall, tmp_path: Path) -> None:
    """A code that somebody pays for is not sold again, and what is under way can be delivered."""
    shop_with(stall, tmp_path / "codes", sun=1, moon=1)
    up = 0.0
    guard = ClockGuard(lambda: stall.now, lambda: up)
    run = stall.market.database.run_now
    _customer, found, _invoice = offered(stall, "sun")
    order = run(find_order, order_of(found.offer), 1)
    free = [(line.free, line.reserved) for line in run(stock).values()]

    async def swept() -> None:
        await sweep_for_all(stall.market, stall.state, guard)

    stall.now += AHEAD_SECONDS
    asyncio.run(swept())
    assert guard.doubt_seconds == AHEAD_SECONDS
    stall.now -= AHEAD_SECONDS
    assert run(find_order, order.order, 1).state is OrderState.OFFERED
    assert [(line.free, line.reserved) for line in run(stock).values()] == free
    assert run(signing_seed, order.key_set)
    # Time that passes for certain does what it always did.
    stall.now, up = stall.now + AHEAD_SECONDS, up + AHEAD_SECONDS
    asyncio.run(swept())
    assert sum(line.reserved for line in run(stock).values()) == 0


def test_a_descriptor_made_by_a_clock_that_was_ahead_is_replaced_when_it_is_right(
    stall: Stall,
) -> None:
    before = stall.state.shop.newest.serial
    stall.now += AHEAD_SECONDS
    asyncio.run(sweep(stall.market, stall.state))
    early = stall.state.shop.newest
    assert early.serial > before
    stall.now -= AHEAD_SECONDS
    asyncio.run(sweep(stall.market, stall.state))
    newest = stall.state.shop.newest
    assert newest.serial > early.serial
    descriptor = newest.known.descriptor
    assert descriptor.not_before == stall.now and descriptor.previous == early.known.hash
    asyncio.run(sweep(stall.market, stall.state))
    assert stall.state.shop.newest.serial == newest.serial
