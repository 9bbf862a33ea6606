"""The address at which a merchant listens is between it and its broker; no customer sees it."""

import asyncio
import os
import signal
from pathlib import Path

from tests.support.programs import environment, run
from tests.support.shop_market import Market, running_market

COMMANDS = (
    ("customer", "browse"),
    ("customer", "look", "atlas"),
    ("customer", "merchants"),
    ("customer", "buy", "atlas", "--yes", "--account"),
    ("customer", "orders"),
)


async def test_a_merchant_that_is_away_is_named_to_customers_without_its_address(
    tmp_path: Path,
) -> None:
    async with running_market(tmp_path) as market:
        home = await market.customer("observer")
        port = market.merchant.address.rsplit(":", 1)[1]
        assert port not in await said(market, home)
        os.kill(market.merchant.pid, signal.SIGKILL)
        away = await said(market, home)
        assert "(error 3102)" in away and '"code":3102' in away
        assert port not in away
        # Its operator is told where it was looked for.
        await market.broker.wait_for_line(f":{port}")


async def said(market: Market, home: Path) -> str:
    """Whatever a customer's commands say, as text and as JSON."""
    words = [
        (*command, *json, "--home", str(home)) for command in COMMANDS for json in ((), ("--json",))
    ]
    done = [await asyncio.to_thread(run, *each, env=environment(), cwd=home) for each in words]
    return "".join(each.out + each.err for each in done)
