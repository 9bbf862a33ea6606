"""A wallet restored from a backup of any step of a purchase: charged once, and the file comes."""

import os
from pathlib import Path

import pytest

from tests.support.roles import CREDIT, GOODS, PRICE, Roles, product_of
from veilmart.customer.backup_layout import LAYOUT
from veilmart.customer.connection.shopper import connect
from veilmart.customer.events import Event, StepReached
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import all_orders
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore

STEPS = ("select", "pay", "segment", "release", "acknowledge", "done")
NOT_YET_STORED = ("select",)


@pytest.mark.parametrize("step", STEPS)
async def test_an_account_purchase(roles: Roles, tmp_path: Path, step: str) -> None:
    wallet = roles.wallet("mia")
    taken: dict[str, Path] = {}

    def take(name: str) -> None:
        if name not in taken:
            file = tmp_path / f"{name}.tar"
            taken[name] = back_up(wallet.home, LAYOUT, file, identity=b"", now=roles.clock()).path

    def watch(event: Event) -> None:
        if isinstance(event, StepReached) and event.step in STEPS:
            take(event.step)

    await (await roles.customer("mia")).aclose()
    async with await connect(wallet, roles.link, observe=watch) as shopper:
        menu = await shopper.browse(roles.merchant_print)
        await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "out")
    take("done")
    assert set(taken) == set(STEPS)
    (bought,) = wallet.database.run_now(all_orders)
    await roles.merchant_hears_of_all()
    # The machine is lost, and the file with it.
    for file in (tmp_path / "out").iterdir():
        file.unlink()
    folder = tmp_path / "restored"
    restore(taken[step], folder, LAYOUT, identity=None, over_newer=False)
    again = open_wallet(folder, roles.clock, os.urandom)
    roles.closing.push_async_callback(again.aclose)
    async with await connect(again, roles.link) as shopper:
        for order in to_sync(again):
            await shopper.recover(order)
    orders = again.database.run_now(all_orders)
    if step in NOT_YET_STORED:
        assert orders == []  # with the customer's receipt gone, the purchase is the lost machine's
    else:
        (order,) = orders
        assert (order.order, order.state) == (bought.order, "done")
        if step != "done":
            assert order.file_path is not None
            assert Path(order.file_path).read_bytes() == GOODS["june.txt"]
    assert await roles.balance("mia") == CREDIT - PRICE
    await roles.check_books()
