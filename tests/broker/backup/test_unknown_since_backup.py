"""After a restore what may have been taken back or paid since the backup waits for the operator."""

import os
from pathlib import Path

import pytest

from tests.broker.backup.put_back import put_back
from tests.broker.called import run
from tests.broker.operator.bought import withdrawing
from tests.support.broker_market import Market
from veilmart.broker.accounts import vouchers
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import open_home
from veilmart.broker.ledger import booking
from veilmart.broker.operator import bookkeeping, since_backup
from veilmart.broker.schema import tables
from veilmart.errors import NoSuchCode, UnknownSinceBackup
from veilmart.protocol.code import code_hash, parse_code
from veilmart.storage.backup.backup import back_up


async def test_vouchers_and_payouts_since_the_backup(
    market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, now = market.opened, market.clock()
    session = await market.customer("anna")
    assert session.login is not None
    anna = session.login.account
    taken, kept = market.run(vouchers.issue_vouchers, 2, 700, now, os.urandom).codes
    market.run(bookkeeping.credit, "shop", 5000, True, now, "first")
    await market.ask(market.session(), withdrawing(market, 2000))
    archive = back_up(
        opened.home, LAYOUT, tmp_path / "b.tar", identity=opened.fingerprint, now=now
    ).path
    # The operator takes a voucher back and pays: money that is gone.
    market.run(vouchers.void_voucher, taken, now)
    market.run(bookkeeping.payout, "shop", 2000, now, "transfer 1")
    opened.database.close()
    put_back(archive, opened)
    with open_home(opened.home.path) as restored:
        run_now = restored.database.run_now

        def redeem(code: str) -> str:
            hashed = code_hash(parse_code(code))
            found = run_now(vouchers.redeem, bytes(32), anna, hashed, now)
            return found.outcome

        waiting = run_now(since_backup.read)
        assert (waiting.vouchers, waiting.payouts, len(waiting.withdrawals)) == (2, True, 1)
        assert [redeem(taken), redeem(kept)] == ["unconfirmed", "unconfirmed"]
        with pytest.raises(UnknownSinceBackup):
            run_now(bookkeeping.payout, "shop", 2000, now)
        with pytest.raises(UnknownSinceBackup):
            run_now(bookkeeping.payout, "shop", 2000, now, "transfer 1")
        assert run_now(booking.balance_of, tables.CASH) == -(1400 + 5000)
    home = opened.home.path
    assert run("withdrawals", home=home) == 0
    assert "unknown since backup" in capsys.readouterr().out
    assert run("restored", home=home) == 0
    assert "2 vouchers may have been taken back" in capsys.readouterr().out
    # What the operator's own papers say.
    words = ("shop", "20.00", "--reference", "transfer 1", "--before-restore")
    assert run("payout", *words, home=home) == 0
    assert run("voucher", "void", taken, home=home) == 0
    assert run("voucher", "confirm", home=home) == 0
    assert run("restored", "--payouts", home=home) == 0
    assert "Nothing waits" in capsys.readouterr().out
    with open_home(home) as confirmed:
        run_now = confirmed.database.run_now
        assert [redeem(taken), redeem(kept)] == ["spent", "redeemed"]
        assert run_now(booking.balance_of, tables.CASH) == -(700 + 3000)
        assert run_now(bookkeeping.payout, "shop", 2000, now, "transfer 1").balance == 3000
        with pytest.raises(NoSuchCode):
            run_now(vouchers.confirm_vouchers, None, None)
    assert run("audit", home=home) == 0
