"""A whole market on PostgreSQL goes on selling when its primary dies and the address moves."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.support.postgres_pair import PostgresPair, pair as pair
from tests.support.shop_market import GOODS, Market
from tests.system.shared_market import shared_market
from veilmart.demo.processes import run_command, run_json
from veilmart.errors import ServerFault

GO_ON_WITHIN_SECONDS = 30
CREDIT, PRICE = 1000, 5


class Shopper:
    """A customer that buys without a pause until told to stop. bought: orders it was told of."""

    def __init__(self, market: Market, home: Path, out: Path) -> None:
        self._market = market
        self._out = out
        self.home = home
        self.bought: list[str] = []
        self.failed: list[str] = []
        self.stopped = False

    async def shop(self) -> None:
        titles = list(GOODS)
        while not self.stopped:
            title = titles[len(self.bought) % len(titles)]
            try:
                result = await self._market.buy(self.home, title, self._out, "--again")
                self.bought.append(str(result["order"]))
            except ServerFault as fault:
                self.failed.append(str(fault))

    async def goes_on(self) -> None:
        """Until one purchase that began after now is done."""
        begun, before = time.monotonic(), len(self.bought)
        while len(self.bought) < before + 2:  # the first may have been almost done
            assert time.monotonic() - begun < GO_ON_WITHIN_SECONDS, self.failed[-3:]
            await asyncio.sleep(0.1)

    async def check(self) -> None:
        """What it was told of is there, and its money is what its orders say."""
        await run_command("customer", "sync", "--home", str(self.home))
        known = await run_json("customer", "orders", "--home", str(self.home))
        states = {order["order"]: order["state"] for order in known["orders"]}
        assert set(self.bought) <= states.keys()
        assert {states[order] for order in self.bought} <= {"delivered", "done"}
        paid = sum(state not in {"refunded", "abandoned"} for state in states.values())
        balance = await run_json("customer", "balance", "--home", str(self.home))
        assert balance["balance"] == f"{CREDIT - PRICE * paid}.00"


async def sell_through(folder: Path, pair: PostgresPair, times: int) -> None:
    async with shared_market(folder, pair.url, 2) as market:
        home = await market.customer("anna", str(CREDIT))
        shopper = Shopper(market, home, folder / "out")
        task = asyncio.create_task(shopper.shop())
        try:
            for _ in range(times):
                await shopper.goes_on()
                await pair.fail_over()
                await shopper.goes_on()
                await pair.follow()
        finally:
            shopper.stopped = True
            await task
        await shopper.check()
        audit = await run_json("broker", "audit", "--home", str(market.broker_home))
        assert audit["ok"]


async def test_purchases_go_on_after_a_failover_and_no_order_is_lost(
    tmp_path: Path, pair: PostgresPair
) -> None:
    await sell_through(tmp_path, pair, 1)


@pytest.mark.long
async def test_purchases_survive_twenty_failovers(tmp_path: Path, pair: PostgresPair) -> None:
    await sell_through(tmp_path, pair, 20)
