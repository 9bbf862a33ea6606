"""What the owner's pages share: the opened home, its settings, and parsing of forms."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from veilmart.errors import BadSourceFile, FormInvalid
from veilmart.merchant.goods.shop_row import ShopRow, read_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.publishing.descriptors import price_points
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.protocol.ports import Clock, Random
from veilmart.web.forms import Form
from veilmart.web.jobs import Report

P = ParamSpec("P")
T = TypeVar("T")

K_MAX = 1000


@dataclass(frozen=True)
class Money:
    """How this shop writes amounts, and what products may cost."""

    currency: str
    decimals: int
    points: tuple[int, ...]

    def shown(self, amount: int) -> str:
        return f"{format_amount(amount, self.decimals)} {self.currency}"


class Desk:
    """The owner's side of an opened merchant."""

    def __init__(self, market: MerchantHome, clock: Clock, random: Random) -> None:
        self.market, self.clock, self.random = market, clock, random

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a transaction. Raises what it raises."""
        return await self.market.database.run(function, *args, **kwargs)

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read one snapshot on another thread; the running shop goes on writing."""
        return await asyncio.to_thread(
            lambda: self.market.database.read_now(function, *args, **kwargs)
        )

    async def money(self) -> Money:
        return await self.read(_read_money)


def _read_money(conn: Connection) -> Money:
    row: ShopRow = read_shop(conn)
    return Money(row.currency, row.decimals, tuple(price_points(load_brokers(conn))))


def in_thread(act: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    """`act`, which blocks on files and database, as something to wait for."""

    async def perform() -> str:
        return await asyncio.to_thread(act)

    return perform


async def in_steps(steps: Callable[[], Iterable[object]], report: Report, last: type[T]) -> T:
    """Run a use case that yields progress on another thread; its last yield, of type `last`."""

    def run() -> T:
        found: T | None = None
        for step in steps():
            if isinstance(step, last):
                found = step
            else:
                report.line(str(getattr(step, "file_name", "")))
                done, total = getattr(step, "done", 0), getattr(step, "total", 0)
                report.advance(done, total, "products")
        if found is None:
            raise FormInvalid("There was nothing to do.")
        return found

    return await asyncio.to_thread(run)


def price_of(form: Form, money: Money) -> int | None:
    """The price of a form, None for the usual one. Raises BadAmount."""
    text = form.text("price")
    return parse_amount(text, money.decimals) if text else None


def least_products(form: Form) -> int:
    """k, the least number of products on a shelf. Raises FormInvalid."""
    text = form.text("k", "5")
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= K_MAX):
        raise FormInvalid(f"k is a whole number from 1 to {K_MAX}.")
    return int(text)


def folder_of(form: Form) -> Path:
    """A folder of this machine that a form names. Raises BadSourceFile."""
    path = Path(form.text("folder")).expanduser()
    if not path.is_absolute() or not path.is_dir():
        raise BadSourceFile("Give the whole path of a folder on this machine.")
    return path


def file_of(form: Form, field: str) -> Path:
    """A file of this machine that a form's field names. Raises BadSourceFile."""
    path = Path(form.text(field)).expanduser()
    if not path.is_absolute() or not path.is_file():
        raise BadSourceFile("Give the whole path of a file on this machine.")
    return path
