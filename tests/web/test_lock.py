"""Unlocking a page asks for the wallet's passphrase, whatever else is open."""

import asyncio
import os
from pathlib import Path

from veilmart.customer.wallet.seed import create_seed, draw_words
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.plan import customer_plan
from veilmart.terminal.clock import unix_now

PASSPHRASE = "quiet harbour"


def desk_with_words(home: Path) -> Desk:
    desk = Desk(open_wallet(home, unix_now, os.urandom), home)
    desk.wallet = create_seed(desk.wallet, draw_words(desk.wallet, 12), PASSPHRASE)
    return desk


def test_a_second_session_is_unlocked_by_the_right_passphrase_only(tmp_path: Path) -> None:
    """The seed is in memory, because the first session is still unlocked."""
    desk = desk_with_words(tmp_path / "home")
    asyncio.run(desk.unlock(PASSPHRASE))
    assert desk.wallet.seed is not None
    assert not asyncio.run(desk.right_passphrase("wrong"))
    assert not asyncio.run(desk.right_passphrase(""))
    assert asyncio.run(desk.right_passphrase(PASSPHRASE))


def test_words_made_while_the_page_is_open_can_unlock_it(tmp_path: Path) -> None:
    desk = Desk(open_wallet(tmp_path / "home", unix_now, os.urandom), tmp_path)
    plan = customer_plan(desk, None)
    assert not plan.unlockable()
    desk.wallet = create_seed(desk.wallet, draw_words(desk.wallet, 12), PASSPHRASE)
    assert plan.unlockable() and plan.unlock == desk.right_passphrase
    assert asyncio.run(desk.right_passphrase(PASSPHRASE))
