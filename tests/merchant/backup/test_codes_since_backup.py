"""A merchant that goes back to a backup never sells a code twice, whenever the backup was taken."""

from pathlib import Path

import pytest

from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import (
    GIVEN_BACK_AFTER,
    delivered,
    offered,
    refresh,
    report,
    run_import,
    shop_with,
    shown,
)
from veilmart.errors import ProductOut
from veilmart.limits import CODE_WINDOW_SECONDS
from veilmart.merchant.backup_layout import LAYOUT
from veilmart.merchant.home import open_merchant
from veilmart.merchant.sales.codes import confirm_codes, stock, unconfirmed_codes
from veilmart.protocol.offer import order_of
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore

STEPS = ["before", "offered", "delivered", "refunded"]


def backed_up(stall: Stall, tmp_path: Path) -> Path:
    market = stall.market
    file = tmp_path / f"m{stall.now}.tar"
    return back_up(market.home, LAYOUT, file, identity=market.fingerprint, now=stall.now).path


def sells(stall: Stall, title: str) -> str | None:
    """The code that the next customer gets, or None when it is out."""
    try:
        customer, found, invoice = offered(stall, title)
    except ProductOut:
        return None
    return delivered(stall, customer, found, invoice)


@pytest.mark.parametrize("step", STEPS)
def test_no_code_is_sold_twice(stall: Stall, tmp_path: Path, step: str) -> None:
    folder = tmp_path / "codes"
    shop_with(stall, folder, sun=2, moon=2)
    archives = {"before": backed_up(stall, tmp_path)}
    stall.now += 1
    customer, found, invoice = offered(stall, "sun")
    archives["offered"] = backed_up(stall, tmp_path)
    stall.now += 1
    first = delivered(stall, customer, found, invoice)
    archives["delivered"] = backed_up(stall, tmp_path)
    # The broker refunds; the key was never out, and the code is sold to somebody else.
    report(stall, 0, (1, order_of(found.offer), "refunded"))
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    archives["refunded"] = backed_up(stall, tmp_path)
    sold = [code for code in (sells(stall, "sun"), sells(stall, "moon")) if code is not None]
    assert sold

    home = tmp_path / "restored"
    restore(archives[step], home, LAYOUT, identity=None, over_newer=False)
    with open_merchant(home) as market:
        again = Stall.open_again(stall, market)
        # The broker repeats what it has told before.
        if step != "before":
            report(again, 0, (1, order_of(found.offer), "refunded"))
        for _ in range(3):
            again.now += max(CODE_WINDOW_SECONDS, GIVEN_BACK_AFTER)
            refresh(again)
            assert [sells(again, "sun"), sells(again, "moon")] == [None, None]
        # Nor when the merchant reads its files in again.
        assert run_import(again, folder).same == 2
        again.now += CODE_WINDOW_SECONDS
        refresh(again)
        assert [sells(again, "sun"), sells(again, "moon")] == [None, None]
        waiting = market.database.run_now(unconfirmed_codes, again.now)
        assert {first, *sold} <= set(waiting) and len(waiting) == 4
        # The merchant asks their issuer, and confirms the others.
        good = [line for line in waiting if line not in sold]
        assert market.database.run_now(confirm_codes, good, again.now) == len(good)
        again.now += CODE_WINDOW_SECONDS
        refresh(again)
        newly = {sells(again, "sun"), sells(again, "moon")} - {None}
        assert newly and newly <= set(good)
        left = market.database.run_now(stock).values()
        assert sum(line.unconfirmed for line in left) <= len(sold)


def test_confirmed_codes_show_at_the_next_window_though_the_backup_has_no_order(
    stall: Stall, tmp_path: Path
) -> None:
    """What the merchant confirms depends on what was sold since the backup."""
    shop_with(stall, tmp_path / "codes", sun=2, moon=2)
    home = tmp_path / "restored"
    restore(backed_up(stall, tmp_path), home, LAYOUT, identity=None, over_newer=False)
    with open_merchant(home) as market:
        again = Stall.open_again(stall, market)
        again.now += CODE_WINDOW_SECONDS
        refresh(again)
        lost = market.database.run_now(unconfirmed_codes, again.now)
        assert market.database.run_now(confirm_codes, lost, again.now) == 4
        refresh(again)
        assert shown(again) == {"sun": False, "moon": False}
        again.now += CODE_WINDOW_SECONDS
        refresh(again)
        assert shown(again) == {"sun": True, "moon": True}


def test_what_was_settled_since_the_backup_is_heard_again(stall: Stall, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    shop_with(stall, folder, sun=1, moon=1)
    customer, found, invoice = offered(stall, "sun")
    archive = backed_up(stall, tmp_path)
    code = delivered(stall, customer, found, invoice)
    report(stall, 500, (1, order_of(found.offer), "settled"))
    home = tmp_path / "restored"
    restore(archive, home, LAYOUT, identity=None, over_newer=False)
    with open_merchant(home) as market:
        again = Stall.open_again(stall, market)
        report(again, 500, (1, order_of(found.offer), "settled"))
        assert [line.sold for line in market.database.run_now(stock).values()].count(1) == 1
        # The order is paid: its segment is the same code as before.
        assert delivered(again, customer, found, invoice) == code
