"""Like `bench.driver`, without accounts: each purchase on a connection of its own, by a token.

New connection, session, both descriptors and the catalogue fetched anew each time, in one tunnel
with the choice. Tokens are withdrawn before, and not measured.
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from bench.driver import PASSWORD, WARM_UP_PURCHASES
from bench.driving import Result, measure, run, say_and_wait
from veilmart.customer.connection.shopper import connect
from veilmart.customer.purchase.payment_rules import TokenPayment
from veilmart.customer.tokens.stock import withdraw_tokens
from veilmart.customer.wallet.seed import create_seed, draw_words
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.protocol.address import parse_link
from veilmart.terminal.clock import unix_now

TOKENS_PER_SECOND = 14
PRICE = 100


async def open_customer(home: Path, link: str) -> Wallet:
    """A wallet with words and an account."""
    wallet = open_wallet(home, unix_now, os.urandom)
    async with await connect(wallet, link) as shopper:
        await shopper.account.register(home.name, PASSWORD)
    return create_seed(wallet, draw_words(wallet, 12), "")


@dataclass
class Anonymous:
    """Buys with one wallet. closing: connections whose acknowledgement has not left."""

    wallet: Wallet
    link: str
    merchant: bytes
    out: Path
    closing: set[asyncio.Task[None]] = field(default_factory=set)

    async def buy_one(self, turn: int) -> None:
        """Buy on a connection of its own, which closes itself after its acknowledgement."""
        wallet = self.wallet
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
        shopper = await connect(wallet, self.link, anonymous=True)
        try:
            menu = await shopper.browse(self.merchant)
            product = menu.products[turn % len(menu.products)]
            bought = await shopper.buy(menu, product, self.out, payment=payment, later=True)
        finally:
            task = asyncio.create_task(shopper.aclose())
            self.closing.add(task)
            task.add_done_callback(self.closing.discard)
        bought.path.unlink()

    async def settle(self) -> None:
        await asyncio.gather(*self.closing)


async def drive(link: str, folder: Path, names: list[str], seconds: float) -> Result:
    homes = [folder / name for name in names]
    wallets = [await open_customer(home, link) for home in homes]
    await say_and_wait("registered")
    merchant = parse_link(link).merchant
    assert merchant is not None
    tokens = WARM_UP_PURCHASES + int(TOKENS_PER_SECOND * seconds)
    buyers = []
    for home, wallet in zip(homes, wallets, strict=True):
        async with await connect(wallet, link) as shopper:
            await withdraw_tokens(shopper, PRICE, tokens)
        (home / "out").mkdir()
        buyer = Anonymous(wallet, link, merchant, home / "out")
        for turn in range(WARM_UP_PURCHASES):
            await buyer.buy_one(turn)
        await buyer.settle()
        buyers.append(buyer)

    async def settle() -> None:
        await asyncio.gather(*(buyer.settle() for buyer in buyers))

    result = await measure([buyer.buy_one for buyer in buyers], seconds, settle)
    for wallet in wallets:
        await wallet.aclose()
    return result


if __name__ == "__main__":
    run(drive)
