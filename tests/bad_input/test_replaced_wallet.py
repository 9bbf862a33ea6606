"""A wallet that another machine has taken over still spends what is on the account."""

from pathlib import Path

import pytest

from tests.support.buyers import buy, buyer
from tests.support.roles import CREDIT, GOODS, PRICE, Roles, product_of
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.wallet.seed_state import REPLACED, seeded, set_state
from veilmart.errors import WalletReplaced


async def test_a_replaced_wallet_pays_from_the_account_with_a_key_of_its_own(
    roles: Roles, tmp_path: Path
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    wallet.database.run_now(set_state, REPLACED)
    before = wallet.database.run_now(seeded)
    async with shopper:
        menu = await shopper.browse(roles.merchant_print)
        chosen = product_of(menu, "june.txt")
        bought = await shopper.buy(menu, chosen, tmp_path / "out", payment=AccountPayment())
    assert bought.path.read_bytes() == GOODS["june.txt"]
    assert wallet.database.run_now(seeded) == before, "the other machine's numbers are untouched"
    assert await roles.balance("mia") == CREDIT - 2 * PRICE
    with pytest.raises(WalletReplaced):
        await buy(roles, wallet, tmp_path / "out")
    await roles.check_books()
