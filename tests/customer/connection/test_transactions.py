"""How many transactions a wallet makes for one purchase: one for each decision, and no more."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.buyers import buy, buyer
from tests.support.roles import Roles, product_of
from tests.support.roles_fixtures import roles as roles, template as template
from veilmart.customer.wallet.wallet import Wallet


@contextmanager
def counted(wallet: Wallet) -> Iterator[list[str]]:
    """The names of this wallet's transactions, as they are run."""
    names: list[str] = []
    run = wallet.database.run

    async def noted(transaction: Any, *args: Any, **more: Any) -> Any:
        names.append(transaction.__name__)
        return await run(transaction, *args, **more)

    with patch.object(wallet.database, "run", noted):
        yield names


async def test_an_account_purchase_makes_four_and_a_number(roles: Roles, tmp_path: Path) -> None:
    shopper, wallet = await buyer(roles, "counted", tokens=0)
    async with shopper:
        menu = await shopper.browse(roles.merchant_print)
        june = product_of(menu, "june.txt")
        await shopper.buy(menu, june, tmp_path)
        with counted(wallet) as names:
            await shopper.buy(menu, june, tmp_path)
    assert names == ["take_order_number", "add_order", "save_held", "save_order", "save_ended"]


async def test_an_anonymous_purchase_makes_nine(roles: Roles, tmp_path: Path) -> None:
    """A connection of its own, with descriptors and catalogue fetched and compared anew."""
    shopper, wallet = await buyer(roles, "unseen")
    await shopper.aclose()
    await buy(roles, wallet, tmp_path)
    with counted(wallet) as names:
        await buy(roles, wallet, tmp_path)
    assert names == [
        # the broker, and whether the link's merchant is pinned; the merchant; its catalogue
        "_known_broker",
        "_known_merchant",
        "seen",
        # the choice, and its payment
        "take_order_number",
        "_learn_and_choose",
        "_add_with_token",
        # the purchase
        "save_held",
        "save_order",
        "save_ended",
    ]
