"""A customer with one purchase in a market of real roles, and how it stands."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.roles import CREDIT, PRICE, Roles, product_of
from tests.support.waiting import until
from veilmart.broker.disputes.records import DisputeLine, dispute_lines
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.display.order_status import Standing, standing
from veilmart.customer.disputes.dispute_rules import dispute, examine
from veilmart.customer.disputes.fault_finder import Complaint
from veilmart.customer.purchase.recovery_rules import find_late_refund
from veilmart.customer.wallet.orders import Order, all_orders, faults_by_order
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import VeilmartError
from veilmart.merchant.back_office.refunds import find_refundable, refund_order
from veilmart.merchant.cli.views import sales_views
from veilmart.merchant.home import open_merchant

NAME = "june.txt"


@dataclass
class Stage:
    """roles: the market. told: what the purchase said on its way."""

    roles: Roles
    shopper: Shopper
    out: Path
    told: list[Any] = field(default_factory=list)

    @property
    def wallet(self) -> Wallet:
        return self.shopper.wallet

    @property
    def order(self) -> Order:
        """The newest one."""
        return self.wallet.database.run_now(all_orders)[0]

    async def buy(self, name: str = NAME) -> Any:
        menu = await self.shopper.browse(self.roles.merchant_print)
        return await self.shopper.buy(menu, product_of(menu, name), self.out)

    async def fails(self, kind: type[VeilmartError]) -> VeilmartError:
        """A purchase that ends with that error."""
        try:
            await self.buy()
        except kind as error:
            return error
        raise AssertionError("The purchase was finished.")

    async def sync(self) -> str:
        return str((await self.shopper.recover(self.order)).outcome)

    async def dispute(self) -> Complaint:
        """Find what is wrong, show it to the broker."""
        clock = self.wallet.clock
        order, complaint = await self.shopper.perform(examine(self.order, clock))
        await self.shopper.perform(dispute(order, complaint, clock))
        return complaint

    async def look(self) -> Any:
        return await self.shopper.perform(find_late_refund(self.order, self.wallet.clock))

    def standing(self) -> Standing:
        faults = self.wallet.database.run_now(faults_by_order)
        return standing(self.order, faults.get(self.order.order), self.wallet.clock())

    async def money(self) -> tuple[int, int]:
        """(customer, merchant), minor units."""
        roles = self.roles
        return await roles.balance("mia"), await roles.balance("stall")

    async def disputes(self) -> list[DisputeLine]:
        return await self.roles.database.run(dispute_lines)

    async def until(self, state: str) -> None:
        """The broker has brought its invoice there by itself."""
        await until(lambda: self.broker_state() == state)

    def broker_state(self) -> str:
        return self.roles.database.run_now(_states)[-1]

    async def merchant_says(self, state: str) -> None:
        """The merchant has heard of it."""

        def heard() -> bool:
            with open_merchant(self.roles.merchant_home) as market:
                return any(view.state == state for view in market.database.run_now(sales_views))

        await until(heard)

    async def merchant_refunds(self) -> None:
        """As `veilmart merchant refund ORDER` does."""
        roles = self.roles
        with open_merchant(roles.merchant_home) as market:
            market.database.run_now(_point_at, f"http://{roles.outside.address}")
            found = market.database.run_now(find_refundable, self.order.order.hex())
            await refund_order(market, found, roles.clock(), os.urandom)


def _states(conn: Any) -> list[str]:
    rows = conn.exec_driver_sql("SELECT state FROM invoices ORDER BY due, held_at").all()
    return [str(row[0]) for row in rows]


def _point_at(conn: Any, url: str) -> None:
    conn.exec_driver_sql("UPDATE brokers SET url = ?", (url,))


@asynccontextmanager
async def staged(roles: Roles, folder: Path) -> AsyncIterator[Stage]:
    """mia, with money, in front of the shop."""
    shopper = await roles.customer("mia")
    stage = Stage(roles, shopper, folder / "out")
    shopper.observe = stage.told.append
    yield stage


__all__ = ["CREDIT", "NAME", "PRICE", "Stage", "staged"]
