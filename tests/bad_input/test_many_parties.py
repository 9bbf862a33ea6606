"""A second merchant at the same broker, and several customers at once in both suites."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.roles import (
    CREDIT,
    GOODS,
    PRICE,
    Clock,
    Roles,
    Served,
    make_template,
    product_of,
    told,
)
from tests.support.waiting import until
from veilmart.broker import merchants as merchant_book
from veilmart.broker.operator.admission import fetch_candidate, suspend_merchant
from veilmart.crypto.suite import all_suites
from veilmart.errors import MerchantSuspended, MerchantUnknown, NotYourBroker
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.server.running import serve_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import look_at

CUSTOMERS = 8


async def serve(roles: Roles, home: Path) -> Served:
    """One more merchant in this market's event loop."""

    async def begin(**more: Any) -> None:
        await serve_merchant(
            home,
            "127.0.0.1",
            0,
            clock=roles.clock,
            random=os.urandom,
            observe=lambda event: None,
            **more,
        )

    served = Served(begin)
    await served.start()
    roles.closing.push_async_callback(served.stop)
    return served


async def open_second_merchant(roles: Roles, folder: Path) -> bytes:
    """Another merchant with goods of the same names, admitted by the same broker."""
    home = folder / "second"
    fingerprint = create_merchant(
        home, "second stall", f"http://{roles.outside.address}", roles.opened_descriptor()
    )
    goods = folder / "second goods"
    goods.mkdir()
    for name, content in GOODS.items():
        (goods / name).write_bytes(content[::-1])
    sources = tuple(look_at(goods / name) for name in GOODS)
    with open_merchant(home) as market:
        add_now(market, sources, price=PRICE, now=roles.clock(), random=os.urandom)

    served = await serve(roles, home)
    found = await fetch_candidate(roles.opened, f"http://{served.address}", roles.clock())
    await roles.database.run(merchant_book.admit, found.descriptor, found.address)
    return fingerprint


async def test_a_second_merchant_at_the_same_broker(roles: Roles, tmp_path: Path) -> None:
    """Each sells its own goods and gets its own money; the customer's choice is kept apart."""
    shopper = await roles.customer("mia")
    second = await open_second_merchant(roles, tmp_path)
    await shopper.pin_merchant(second)
    async with asyncio.timeout(120):
        while len(await shopper.merchants()) < 2:
            await asyncio.sleep(0.05)
    for merchant, content in (
        (roles.merchant_print, GOODS["june.txt"]),
        (second, GOODS["june.txt"][::-1]),
    ):
        menu = await shopper.browse(merchant)
        out = tmp_path / merchant.hex()[:8]
        bought = await shopper.buy(menu, product_of(menu, "june.txt"), out)
        assert bought.path.read_bytes() == content
    assert await roles.balance("stall") == PRICE
    assert await roles.balance("second stall") == PRICE
    assert await roles.balance("mia") == CREDIT - 2 * PRICE
    await roles.check_books()


async def test_a_suspended_merchant_sells_nothing_more(roles: Roles, tmp_path: Path) -> None:
    shopper = await roles.customer("mia")
    menu = await shopper.browse(roles.merchant_print)
    await roles.database.run(suspend_merchant, "stall")
    merchants = roles.links[-1]._state.merchants
    await until(lambda: merchants.known(roles.merchant_print).state != merchant_book.ADMITTED)
    with pytest.raises(MerchantSuspended) as refused:
        await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "out")
    told(refused.value, code=4115)
    await roles.check_books()


async def test_an_unknown_merchant(roles: Roles) -> None:
    shopper = await roles.connect("mia")
    await shopper.pin_merchant(bytes(32))
    with pytest.raises(MerchantUnknown) as refused:
        await shopper.browse(bytes(32))
    told(refused.value, code=4114)


async def test_a_merchant_of_another_broker_is_not_admitted(roles: Roles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    made = make_template(elsewhere, Clock())
    served = await serve(roles, made.merchant)
    with pytest.raises(NotYourBroker) as refused:
        await fetch_candidate(roles.opened, f"http://{served.address}", roles.clock())
    told(refused.value, code=4119)


async def test_several_customers_at_once(roles: Roles, tmp_path: Path) -> None:
    """Eight customers, two purchases each, all at the same time, in both suites."""
    suites = all_suites()

    async def shop(number: int) -> None:
        name = f"customer {number}"
        shopper = await roles.customer(name, suite=suites[number % 2])
        menu = await shopper.browse(roles.merchant_print)
        results = await asyncio.gather(
            *(
                shopper.buy(menu, product_of(menu, title), tmp_path / name / title)
                for title in GOODS
            )
        )
        for title, bought in zip(GOODS, results, strict=True):
            assert bought.path.read_bytes() == GOODS[title]
        await roles.check_customer(name)

    await asyncio.gather(*(shop(number) for number in range(CUSTOMERS)))
    assert await roles.balance("stall") == 2 * CUSTOMERS * PRICE
    assert (await roles.states()).count("settled") == 2 * CUSTOMERS
    await roles.check_books()
    await roles.merchant_hears_of_all()
