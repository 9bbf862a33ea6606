"""Wallets that differ in what their other identities have done, and what each identity plays.

An act is what one identity does; a history is what the others did before. Every connection of the
wallet is recorded, whichever part of the program opens it.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_asyncio
from sqlalchemy import Connection, update

from tests.privacy.recording import RecordingClient, Seen
from tests.support.buyers import Killed, buy, killed_at
from tests.support.roles import (
    GOODS,
    PASSWORD,
    PRICE,
    WAIT_SECONDS,
    Roles,
    Template,
    product_of,
    running_roles,
)
from veilmart.customer.connection.directory import read_directory
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.library.exchange_rules import exchange
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.purchase.payment_rules import AccountPayment, TokenPayment
from veilmart.customer.purchase.recovery_rules import find_late_refund
from veilmart.customer.schema.tables import brokers, merchants
from veilmart.customer.schema.token_tables import errands, seen_descriptors, tokens
from veilmart.customer.tokens.lost_order import bring_back
from veilmart.customer.tokens.restore import restore_tokens
from veilmart.customer.tokens.solvency import read_solvency
from veilmart.customer.tokens.stock import deposit_tokens, withdraw_tokens
from veilmart.customer.wallet.lost_orders import LostOrder
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.tokens import UNSPENT, tokens_of
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BrokerUnreachable
from veilmart.merchant.home import open_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.importing import import_folder
from veilmart.merchant.stocking.packing import look_at
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.protocol.wallet_states import WalletState
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client

MONTH_SECONDS = 30 * 24 * 3600
GROWING = ("/v1/spent/", "/v1/order-keys/")
"""Public lists that grow while the tests run: their lengths are the same for everybody."""


SHOP = f"""price = "5.00"

["june.txt"]
sample = "samples/page.txt"
description = "{"What the stars do in June. " * 70}"
"""
"""Its catalogue takes several cells, so that an answer without it is shorter."""


def with_samples(template: Template, folder: Path) -> Template:
    """The template's market, where one product has a sample: there is something to look at."""
    home, goods = folder / "merchant", folder / "goods"
    shutil.copytree(template.merchant, home)
    (goods / "samples").mkdir(parents=True)
    for name, content in GOODS.items():
        (goods / name).write_bytes(content)
    (goods / "samples" / "page.txt").write_text("The first page.\n")
    (goods / "shop.toml").write_text(SHOP)
    with open_merchant(home) as market:
        found = market.database.run_now(compare, read_folder(goods, PRICE, 2), 2)
        now = int(time.time())
        list(import_folder(market, found, prune=False, alone=False, now=now, random=os.urandom))
    return Template(template.broker, home, template.merchant_print)


@contextmanager
def recorded() -> Iterator[list[Seen]]:
    """All that leaves any wallet inside, in order."""
    seen: list[Seen] = []

    def open_client(_wallet: Wallet, url: str, _other: object = None) -> Client:
        seen.append(("OPEN", "", 0, 0))
        address = url.removeprefix("http://").rstrip("/")
        return RecordingClient(HttpClient(address, BrokerUnreachable), seen)

    with patch("veilmart.customer.connection.shopper.http_client", open_client):
        yield seen
    seen[:] = [
        (method, path, sent, 0 if path.startswith(GROWING) else got)
        for method, path, sent, got in seen
    ]


async def live(
    roles: Roles, shopper: Shopper, wallet: Wallet, history: list[str], out: Path
) -> None:
    """What the account and the anonymous identities of this wallet have done."""
    for number, what in enumerate(history):
        folder = out / f"before-{number}"
        match what:
            case "account buys":
                menu = await shopper.browse(roles.merchant_print)
                product = product_of(menu, "july.txt")
                await shopper.buy(menu, product, folder, payment=AccountPayment())
            case "account looks":
                await shopper.browse(roles.merchant_print)
            case "token buys":
                await withdraw_tokens(shopper, PRICE, 1)
                await buy(roles, wallet, folder, title="july.txt")
            case "token is refunded":
                await withdraw_tokens(shopper, PRICE, 1)
                await refunded(roles, wallet, folder)
            case "token order is cut off":
                await withdraw_tokens(shopper, PRICE, 1)
                await held(roles, wallet, folder)
            case "withdraw one":
                await withdraw_tokens(shopper, PRICE, 1)
            case "looks around":
                await browse(roles, wallet)
                await look(roles, wallet)
            case "spends one":
                await buy(roles, wallet, folder, title="july.txt")
            case "spends and gets one back":
                await refunded(roles, wallet, folder)
            case "withdraws":
                await withdraw_tokens(shopper, 2 * PRICE, 1)
            case "deposits":
                await withdraw_tokens(shopper, PRICE, 1)
                await deposit_tokens(shopper, PRICE, 1)
            case "exchanges one":
                await exchange_one(roles, wallet)
            case "pins again":
                await shopper.refresh_broker()
                await shopper.merchant(roles.merchant_print, fresh=True)
            case "a month passes":
                wallet.database.run_now(month_ago)


def month_ago(connection: Connection) -> None:
    """Everything that the wallet dates was a month earlier."""
    for column in (
        brokers.c.joined_at,
        merchants.c.joined_at,
        errands.c.due_at,
        tokens.c.got_at,
        seen_descriptors.c.not_before,
    ):
        connection.execute(update(column.table).values({column: column - MONTH_SECONDS}))


async def new_product(roles: Roles, goods: Path) -> None:
    """The merchant's next catalogue: anyone who looked before has seen another one."""
    goods.mkdir()
    (goods / "august.txt").write_bytes(b"The stars of August.\n")
    with open_merchant(roles.merchant_home) as market:
        sources = (look_at(goods / "august.txt"),)
        add_now(market, sources, price=PRICE, now=roles.clock(), random=os.urandom)
    visitor = roles.wallet("visitor")
    async with await connect(visitor, roles.link, anonymous=True) as shopper:
        async with asyncio.timeout(WAIT_SECONDS):
            while len((await shopper.browse(roles.merchant_print)).products) == len(GOODS):
                await asyncio.sleep(0.1)


async def exchange_one(roles: Roles, wallet: Wallet) -> None:
    """What `sync` does with one token that ends soon, on a connection of its own."""
    (token, *_) = wallet.database.run_now(tokens_of, roles.opened.fingerprint, UNSPENT)
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await shopper.perform(exchange(token, wallet.clock, wallet.random))


async def held(roles: Roles, wallet: Wallet, out: Path) -> Order:
    """An order that a token paid, cut off before its key was asked for."""
    before = {order.order for order in wallet.database.run_now(all_orders)}
    with suppress(Killed):
        await buy(roles, wallet, out, observe=killed_at("release"))
    (made,) = (o for o in wallet.database.run_now(all_orders) if o.order not in before)
    assert made.state == WalletState.HELD
    return made


async def refunded(roles: Roles, wallet: Wallet, out: Path) -> None:
    order = await held(roles, wallet, out)
    async with await connect(wallet, roles.link, anonymous=True, recovering=True) as shopper:
        await shopper.cancel(order)


# ---- what an anonymous identity does -------------------------------------------------------------


async def browse(roles: Roles, wallet: Wallet) -> None:
    """The directory, the solvency line and the catalogue."""
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await read_directory(shopper)
        await shopper.perform(read_solvency())
        await shopper.browse(roles.merchant_print)


async def look(roles: Roles, wallet: Wallet) -> None:
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        menu = await shopper.browse(roles.merchant_print)
        await shopper.showcase(menu, menu.products[0].shelf)


async def buy_anonymously(roles: Roles, wallet: Wallet, out: Path) -> None:
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await shopper.merchants()
        menu = await shopper.browse(roles.merchant_print)
        payment = TokenPayment(wallet.seed or b"", wallet.clock, now=True)
        await shopper.buy(menu, product_of(menu, "june.txt"), out, payment=payment)


async def give_up(roles: Roles, wallet: Wallet, order: Order) -> None:
    """The token comes back as a refund token."""
    async with await connect(wallet, roles.link, anonymous=True, recovering=True) as shopper:
        await shopper.cancel(order)


async def go_on(roles: Roles, wallet: Wallet, order: Order) -> None:
    """What `sync` does with one order that a token paid."""
    async with await connect(wallet, roles.link, anonymous=True, recovering=True) as shopper:
        await shopper.recover(order)


async def fetch(roles: Roles, wallet: Wallet, order: Order, out: Path) -> None:
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await fetch_again(shopper, order, out, newest=False)


async def ask_for_late_refund(roles: Roles, wallet: Wallet, order: Order) -> None:
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        assert await shopper.perform(find_late_refund(order, wallet.clock)) is None


async def ask_about_lost(roles: Roles, wallet: Wallet, lost: LostOrder, out: Path) -> None:
    """A restored wallet and one of its orders."""

    async def meet(_merchant: bytes) -> None:
        raise AssertionError("It is pinned by the link.")

    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        _, title = await bring_back(shopper, lost, meet, out)
        assert title


# ---- what the account does -----------------------------------------------------------------------


async def buy_from_account(roles: Roles, wallet: Wallet, out: Path) -> None:
    async with await connect(wallet, roles.link) as account:
        menu = await account.browse(roles.merchant_print)
        await account.buy(menu, product_of(menu, "june.txt"), out, payment=AccountPayment())


async def use_tokens_of_account(roles: Roles, wallet: Wallet) -> None:
    """Balance, withdrawal, and all that may be deposited."""
    async with await connect(wallet, roles.link) as account:
        await account.account.read()
        await withdraw_tokens(account, PRICE, 2)
        await deposit_tokens(account, PRICE, None)


async def restore(roles: Roles, name: str, fresh: Wallet) -> None:
    """The account's part of a restore from the words."""
    async with await connect(fresh, roles.link) as shopper:
        await shopper.account.login(name, PASSWORD)
        await restore_tokens(shopper)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roles]:
    """One market for all wallets of a module."""
    folder = tmp_path_factory.mktemp("market")
    stocked = with_samples(template, folder / "stocked")
    async with running_roles(stocked, folder / "running", streams=False) as running:
        yield running
