"""What changes between browsing and ordering: a product removed or gone out, an hour gone by."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.support.roles import CREDIT, GOODS, Roles, product_of, told
from tests.support.waiting import until
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import ProductGone, ProductOut, UnknownRequestNumber, VeilmartError
from veilmart.merchant.events import CatalogueChanged
from veilmart.merchant.goods.products import edit_product, load_products, remove_product
from veilmart.merchant.home import open_merchant
from veilmart.protocol.customer_messages import Open, Opened


async def test_expired_request_number(roles: Roles, tmp_path: Path) -> None:
    """After its hour a number opens nothing any more; the purchase gets itself a new one."""
    shopper = await roles.customer("mia")
    menu = await shopper.browse(roles.merchant_print)
    number = await shopper.session.take_request_number()
    roles.clock.ahead += 3601
    opening = Open(
        merchant=menu.merchant.fingerprint,
        request_number=number,
        suite=1,
        descriptor=menu.merchant.hash,
        message=bytes(1300),
    )
    with pytest.raises(UnknownRequestNumber) as refused:
        await shopper.session.ask(opening, Opened)
    told(refused.value, code=4105)
    bought = await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "out")
    assert bought.path.read_bytes() == GOODS["june.txt"]
    await roles.check_books()


async def shopkeeper(roles: Roles, change: Callable[[Connection, bytes], None], name: str) -> None:
    """A command changes a product while the merchant runs, which notices."""
    roles.merchant_told.clear()
    with open_merchant(roles.merchant_home) as market:
        standing = market.database.run_now(load_products)
        product = next(product for product in standing if product.file_name == name)
        market.database.run_now(change, product.id)
    told_of = roles.merchant_told
    await until(lambda: any(isinstance(event, CatalogueChanged) for event in told_of))


async def bought_after(
    roles: Roles, change: Callable[[Connection, bytes], None], out: Path
) -> VeilmartError:
    """The error of an order whose product changed after the menu was fetched."""
    shopper = await roles.customer("mia")
    menu = await shopper.browse(roles.merchant_print)
    await shopkeeper(roles, change, "june.txt")
    with pytest.raises(VeilmartError) as refused:
        await shopper.buy(menu, product_of(menu, "june.txt"), out)
    assert await roles.balance("mia") == CREDIT
    assert not out.exists()
    assert await roles.states() == []
    assert not await shopper.wallet.database.run(all_orders)
    again = await shopper.browse(roles.merchant_print)
    shown = {product.file_name: product.available for product in again.products}
    assert not shown.get("june.txt")
    bought = await shopper.buy(again, product_of(again, "july.txt"), out)
    assert bought.path.read_bytes() == GOODS["july.txt"]
    await roles.check_books()
    return refused.value


async def test_product_removed_between_browse_and_order(roles: Roles, tmp_path: Path) -> None:
    def remove(conn: Connection, product: bytes) -> None:
        remove_product(conn, product, alone=True)

    error = await bought_after(roles, remove, tmp_path / "out")
    assert isinstance(error, ProductGone)
    told(error, code=4106)


async def test_product_gone_out_between_browse_and_order(roles: Roles, tmp_path: Path) -> None:
    def out_of_stock(conn: Connection, product: bytes) -> None:
        edit_product(conn, product, None, None, False)

    error = await bought_after(roles, out_of_stock, tmp_path / "out")
    assert isinstance(error, ProductOut)
    told(error, code=4107)
