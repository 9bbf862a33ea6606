"""What commands return and print: the same structs as JSON and as tables."""

from dataclasses import dataclass

from sqlalchemy import Connection

from veilmart.merchant.goods.products import ShopProduct, load_products
from veilmart.merchant.goods.shelves import load_shelves
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.sales.orders import load_sales
from veilmart.protocol.accounting import format_amount
from veilmart.terminal.console import Console
from veilmart.terminal.tables import draw_table


@dataclass(frozen=True)
class ProductView:
    number: int
    id: str
    title: str
    file_name: str
    description: str
    version: int
    shelf: str
    price: str
    size: int
    available: bool
    root: str


@dataclass(frozen=True)
class ShelfView:
    """size: bytes of every padded product; products: how many stand on it."""

    number: int
    name: str
    price: str
    size: int
    products: int


@dataclass(frozen=True)
class BalanceView:
    broker: str
    balance: str
    currency: str


@dataclass(frozen=True)
class SalesView:
    title: str
    shelf: str
    state: str
    count: int
    amount: str


def product_views(connection: Connection) -> list[ProductView]:
    """Transaction: everything on sale, numbered as in the menu."""
    decimals = read_shop(connection).decimals
    shelves = {shelf.id: shelf for shelf in load_shelves(connection)}
    return [
        ProductView(
            number=number,
            id=product.id.hex(),
            title=product.title,
            file_name=product.file_name,
            description=product.description,
            version=product.version,
            shelf=shelves[product.shelf].name,
            price=format_amount(shelves[product.shelf].price, decimals),
            size=product.size,
            available=product.available,
            root=product.root.hex(),
        )
        for number, product in enumerate(load_products(connection), start=1)
    ]


def shelf_views(connection: Connection) -> list[ShelfView]:
    """Transaction."""
    decimals = read_shop(connection).decimals
    products = load_products(connection)
    return [
        ShelfView(
            number=shelf.id,
            name=shelf.name,
            price=format_amount(shelf.price, decimals),
            size=shelf.size,
            products=sum(product.shelf == shelf.id for product in products),
        )
        for shelf in load_shelves(connection)
    ]


def balance_views(connection: Connection) -> list[BalanceView]:
    """Transaction: what the brokers last reported."""
    row = read_shop(connection)
    return [
        BalanceView(broker.url, format_amount(broker.balance, row.decimals), row.currency)
        for broker in load_brokers(connection)
    ]


def sales_views(connection: Connection) -> list[SalesView]:
    """Transaction: orders by product and state."""
    decimals = read_shop(connection).decimals
    shelves = {shelf.id: shelf.name for shelf in load_shelves(connection)}
    titles: dict[bytes, ShopProduct] = {p.id: p for p in load_products(connection)}
    return [
        SalesView(
            title=titles[line.product].title if line.product in titles else "(removed)",
            shelf=shelves.get(line.shelf, ""),
            state=line.state,
            count=line.count,
            amount=format_amount(line.amount, decimals),
        )
        for line in load_sales(connection)
    ]


def draw_products(console: Console, views: list[ProductView]) -> None:
    """The numbered menu."""
    if not views:
        console.print("Nothing is on sale.")
        return
    rows: list[tuple[object, ...]] = [
        (v.number, v.title, v.price, v.size, v.shelf, "in" if v.available else "out", v.id[:8])
        for v in views
    ]
    draw_table(console, ("#", "title", "price", "bytes", "shelf", "stock", "id"), rows, ("title",))
