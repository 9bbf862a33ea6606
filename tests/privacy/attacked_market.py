"""A market whose broker records, and purchases that differ in the product alone."""

import os
import random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.privacy.broker_record import Record, recording_broker
from tests.support.buyers import buyer
from tests.support.roles import Roles, Template, running_roles
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import connect
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.purchase.payment_rules import AccountPayment, TokenPayment
from veilmart.customer.tokens.stock import withdraw_tokens
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.wallet import Wallet
from veilmart.merchant.home import open_merchant
from veilmart.merchant.sales.code_stock_windows import open_windows
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.importing import import_folder
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.protocol.catalogue import Product

PRODUCTS = 5
KB = 1000
SIZES = {
    "small": (200, 3 * KB),
    "middle": (20 * KB, 200 * KB),
    "big": (300 * KB, 5000 * KB),
    "codes": (0, 0),
}
"""Shelf → true sizes of its smallest and its largest product, bytes."""
PRICES = {"small": 100, "middle": 200, "big": 1000, "codes": 2000}
CODES_EACH = 150
CREDIT = 100_000_00


def stock(template: Template, folder: Path, shelf: str, *, padded: bool = True) -> Template:
    """The template with the shelf's products. padded: False gives each a shelf of its own size."""
    home, goods = folder / "merchant", folder / "goods"
    shutil.copytree(template.merchant, home)
    goods.mkdir()
    smallest, largest = SIZES[shelf]
    names = [f"{shelf}{number}" for number in range(PRODUCTS)]
    if shelf == "codes":
        for number, name in enumerate(names):
            lines = (f"{name}-{line:04}" for line in range(CODES_EACH + 10 * number))
            (goods / f"{name}.codes").write_text("\n".join(lines) + "\n")
    else:
        for number, name in enumerate(names):
            size = smallest + (largest - smallest) * number // (PRODUCTS - 1)
            (goods / f"{name}.bin").write_bytes(os.urandom(size))
    with open_merchant(home) as market:
        now, price = int(time.time()), PRICES[shelf]
        if shelf == "codes":
            entries = read_folder(goods, price, 2)
            found = market.database.run_now(compare, entries, 2)
            list(import_folder(market, found, prune=False, alone=False, now=now, random=os.urandom))
            market.database.run_now(open_windows, now)  # else they are in stock a minute later
        else:
            sources = [look_at(goods / f"{name}.bin") for name in names]
            batches = [tuple(sources)] if padded else [(source,) for source in sources]
            for batch in batches:
                add_now(market, batch, price=price, alone=True, now=now, random=os.urandom)
    return Template(template.broker, home, template.merchant_print)


@dataclass
class Attack:
    """One wallet that buys from one shelf, again and again. random: draws the order.

    buying: which product it is now, from 0; for controls.
    """

    roles: Roles
    record: Record
    shelf: str
    out: Path
    random: random.Random
    wallets: dict[bool, Wallet] = field(default_factory=dict)
    buying: int = 0

    async def purchases(
        self, count: int, *, by_token: bool, of: tuple[int, ...] = tuple(range(PRODUCTS))
    ) -> None:
        """Each of these products alike often, in an order drawn at random."""
        wallet = await self._wallet(by_token, count)
        labels = [of[number % len(of)] for number in range(count)]
        self.random.shuffle(labels)
        for label in labels:
            await self._buy(wallet, label, by_token=by_token)

    async def fetches(self, count: int) -> None:
        """Fetch again what was bought, on anonymous connections."""
        wallet = next(iter(self.wallets.values()))
        bought: dict[int, Order] = {}
        for order in wallet.database.run_now(all_orders):
            if order.title.startswith(self.shelf):
                bought[int(order.title.removeprefix(self.shelf)[0])] = order
        labels = [number % PRODUCTS for number in range(count)]
        self.random.shuffle(labels)
        for label in labels:
            self.record.seen = []
            async with await connect(wallet, self.roles.link, anonymous=True) as shopper:
                await fetch_again(shopper, bought[label], self.out, newest=False)
            self.record.finish(label)

    async def _wallet(self, by_token: bool, tokens: int) -> Wallet:
        if by_token not in self.wallets:
            name = "token-buyer" if by_token else "account-buyer"
            _, self.wallets[by_token] = await buyer(self.roles, name, tokens=0)
            await self.roles.pay_in(name, CREDIT)
        wallet = self.wallets[by_token]
        if by_token:
            async with await connect(wallet, self.roles.link) as account:
                await withdraw_tokens(account, PRICES[self.shelf], tokens)
        return wallet

    async def _buy(self, wallet: Wallet, label: int, *, by_token: bool) -> None:
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
        self.record.seen, self.buying = [], label
        async with await connect(wallet, self.roles.link, anonymous=by_token) as shopper:
            menu = await shopper.browse(self.roles.merchant_print)
            await shopper.buy(
                menu,
                named(menu, f"{self.shelf}{label}"),
                self.out,
                payment=payment if by_token else AccountPayment(),
            )
        self.record.finish(label)


def named(menu: Menu, title: str) -> Product:
    return next(one for one in menu.products if one.title.split(".")[0] == title)


@asynccontextmanager
async def attacked_market(
    template: Template, folder: Path, shelf: str, seed: int, *, padded: bool = True
) -> AsyncIterator[Attack]:
    """The broker, the merchant and the customer, over real sockets in one event loop."""
    stocked = stock(template, folder, shelf, padded=padded)
    record = Record()
    with recording_broker(record):
        async with running_roles(stocked, folder / "running") as roles:
            yield Attack(roles, record, shelf, folder / "out", random.Random(seed))
