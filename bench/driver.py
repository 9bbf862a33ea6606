"""One driver process: several real wallets, each buying again and again for a given time.

Started by `bench.purchases`. Reads one line to register, one to begin; prints one JSON object.
"""

import asyncio
import os
from functools import partial
from pathlib import Path

from bench.driving import Result, measure, run, say_and_wait
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.protocol.address import parse_link
from veilmart.terminal.clock import unix_now

PASSWORD = "bench password"
WARM_UP_PURCHASES = 3


async def open_shopper(home: Path, link: str) -> tuple[Wallet, Shopper]:
    wallet = open_wallet(home, unix_now, os.urandom)
    shopper = await connect(wallet, link)
    await shopper.account.register(home.name, PASSWORD)
    return wallet, shopper


async def buy_one(shopper: Shopper, menu: Menu, out: Path, turn: int) -> None:
    """Buy a product of the menu; remove the finished file."""
    product = menu.products[turn % len(menu.products)]
    bought = await shopper.buy(menu, product, out, later=True)
    bought.path.unlink()


async def drive(link: str, folder: Path, names: list[str], seconds: float) -> Result:
    homes = [folder / name for name in names]
    opened = [await open_shopper(home, link) for home in homes]
    await say_and_wait("registered")
    merchant = parse_link(link).merchant
    assert merchant is not None
    buyers = []
    for home, (_, shopper) in zip(homes, opened, strict=True):
        (home / "out").mkdir()
        buy = partial(buy_one, shopper, await shopper.browse(merchant), home / "out")
        for turn in range(WARM_UP_PURCHASES):
            await buy(turn)
        buyers.append(buy)

    async def settle() -> None:
        await asyncio.gather(*(shopper.settled() for _, shopper in opened))

    await settle()
    result = await measure(buyers, seconds, settle)
    for wallet, shopper in opened:
        await shopper.aclose()
        await wallet.aclose()
    return result


if __name__ == "__main__":
    run(drive)
