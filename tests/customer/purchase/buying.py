"""Purchases from a scripted market."""

from pathlib import Path
from typing import Any

from tests.support.scripted_customer import Market
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.purchase.recovery_rules import recover, to_sync
from veilmart.customer.wallet.orders import all_orders
from veilmart.customer.wallet.wallet import Wallet


def buy(market: Market, out: Path, suite: int = 0, *, later: bool = False) -> Any:
    choice, wallet = market.choice(out, suite), market.wallet
    return market.run(purchase(choice, AccountPayment(), market.clock, wallet.random, later=later))


def recovered(market: Market) -> list[Any]:
    return [market.run(recover(order, market.clock)) for order in to_sync(market.wallet)]


def only_order(wallet: Wallet) -> Any:
    (order,) = wallet.database.run_now(all_orders)
    return order
