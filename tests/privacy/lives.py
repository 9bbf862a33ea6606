"""Wallets that differ in what their other identities have done, and what each identity plays.

An act is what one identity does; a history is what the others did before. Every connection of the
wallet is recorded, whichever part of the program opens it.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from tests.bad_input.buyers import Killed, buy, killed_at
from tests.bad_input.roles import GOODS, PRICE, Roles, Template, product_of
from tests.privacy.recording import RecordingClient, Seen
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.purchase.payment_rules import AccountPayment, TokenPayment
from veilmart.customer.tokens.stock import deposit_tokens, withdraw_tokens
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BrokerUnreachable
from veilmart.merchant.home import open_merchant
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.importing import import_folder
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.protocol.wallet_states import WalletState
from veilmart.transport.client import HttpClient
from veilmart.transport.port import Client

GROWING = ("/v1/spent/", "/v1/order-keys/")
"""Public lists that grow while the tests run: their lengths are the same for everybody."""


SHOP = """price = "5.00"

["june.txt"]
sample = "samples/page.txt"
"""


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
            case "pins again":
                await shopper.refresh_broker()
                await shopper.merchant(roles.merchant_print, fresh=True)


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
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        await shopper.merchants()
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
