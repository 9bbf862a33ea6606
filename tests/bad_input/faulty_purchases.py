"""Replayed, reordered, truncated, oversized and bit-flipped messages on each of the three links.

For each link, fault and direction a purchase is made with the fault on its first exchange, one
with it on its second, and so on until every exchange had its turn. Each time the purchase ends
well, by itself or when tried again, or in a typed error that tells the truth about the money; and
the broker's books balance. The links are tested in files of their own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input.faults import DIRECTIONS, FAULTS, Tampering
from tests.support.roles import CREDIT, GOODS, PRICE, Roles, product_of
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import NO_MONEY, VeilmartError

EXCHANGES_MAX = 40


def matrix(test: Callable[..., object]) -> object:
    with_fault = pytest.mark.parametrize("fault", FAULTS)(test)
    return pytest.mark.parametrize("direction", DIRECTIONS)(with_fault)


async def attempt(roles: Roles, name: str, out: Path) -> None:
    """From the broker's descriptor to the acknowledgement, logged in by the device key."""
    shopper = await roles.connect(name)
    try:
        menu = await shopper.browse(roles.merchant_print)
        await shopper.buy(menu, product_of(menu, "june.txt"), out)
    finally:
        await shopper.aclose()


async def attempt_with(roles: Roles, name: str, out: Path) -> None:
    """A typed error is fine if what it says about the money is true."""
    before = await roles.balance(name)
    try:
        await attempt(roles, name, out)
    except VeilmartError as error:
        assert error.code and error.hint, repr(error)
        if await roles.balance(name) != before:
            assert error.money_now != NO_MONEY, error.explain()


async def try_again(roles: Roles, name: str, out: Path) -> None:
    """What a person does next: sync, and buy again what was not bought."""
    if unfinished := to_sync(roles.wallet(name)):
        async with await roles.connect(name) as shopper:
            for order in unfinished:
                await shopper.recover(order)
    if not out.exists() or not list(out.iterdir()):
        await attempt(roles, name, out)


async def purchase_with_every_fault(
    roles: Roles, name: str, out: Path, begin: Callable[[int], Tampering[Any]], expected: int
) -> None:
    """`begin(n)` puts the fault on exchange n; ends when a purchase has no exchange n."""
    await (await roles.customer(name, amount=CREDIT)).aclose()
    reached = 0
    for at in range(EXCHANGES_MAX):
        tampering = begin(at)
        await attempt_with(roles, name, out / str(at))
        reached += tampering.done
        roles.outside.reset()
        roles.inside.reset()
        tampering.at = -1
        await try_again(roles, name, out / str(at))
        await roles.check_sums()
        await roles.check_customer(name)
        if not tampering.done:
            break
    assert reached >= expected
    await roles.check_books()
    files = sorted(out.rglob("june*.txt"))
    assert [file.read_bytes() for file in files] == [GOODS["june.txt"]] * len(files)
    orders = await roles.wallet(name).database.run(all_orders)
    assert len(files) == [order.state for order in orders].count("done") > reached
    assert await roles.balance(name) == CREDIT - PRICE * len(files)
    await roles.merchant_hears_of_all()
