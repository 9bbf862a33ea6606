"""One run serves one identity, and each anonymous one has a time of its own."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.scripted_customer import NOW, Keys, Market
from veilmart.customer.library.errands import Errand, all_errands, draw, served
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.tokens.stocks import keep_stock, own_day
from veilmart.customer.wallet.account_use import account_used_lately, note_account_use
from veilmart.customer.wallet.copies import DUE, Copy, save_copy
from veilmart.customer.wallet.orders import Order, add_order, all_orders
from veilmart.customer.wallet.seed import DAY_SECONDS
from veilmart.customer.wallet.seed_state import CURRENT, SeededWallet, save_seeded
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.limits import (
    ERRAND_SPREAD_SECONDS,
    REFILL_WINDOW_SECONDS,
    REFUND_LOOK_SPREAD_SECONDS,
)
from veilmart.protocol.wallet_states import WalletState


def stocked(wallet: Wallet, keys: Keys, out: Path, states: list[WalletState]) -> list[Order]:
    """One finished account order, and token orders in these states."""
    market = Market(wallet, keys)
    market.run(purchase(market.choice(out), AccountPayment(), market.clock, market.wallet.random))
    (bought,) = wallet.database.run_now(all_orders)
    by_token = [
        replace(bought, order=os.urandom(32), spend=b"spend", state=state.value, receipt=None)
        for state in states
    ]
    for order in by_token:
        wallet.database.run_now(add_order, order)
    return by_token


@pytest.fixture
def later(tmp_path: Path) -> list[int]:
    """How much later it is than NOW."""
    return [0]


@pytest.fixture
def wallet(tmp_path: Path, later: list[int]) -> Wallet:
    return open_wallet(tmp_path / "wallet", lambda: NOW + later[0], os.urandom)


def kinds(found: list[Errand]) -> list[str]:
    return sorted(errand.kind for errand in found)


def test_each_token_order_and_each_copy_is_an_errand_of_its_own(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    orders = stocked(wallet, keys, tmp_path / "out", [WalletState.HELD] * 2 + [WalletState.DONE])
    for root in (b"a" * 32, b"b" * 32):
        copy = Copy(orders[2].order, root, 2, DUE, NOW, str(tmp_path), b"", NOW)
        wallet.database.run_now(save_copy, copy)
    found = all_errands(wallet)
    assert kinds(found) == ["account", "copy", "copy", "order", "order", "refund"]
    assert all(len(errand.orders + errand.settled) == 1 for errand in found)
    assert all(errand.broker == orders[0].broker for errand in found)


def test_times_are_drawn_once_and_spread_over_hours(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    stocked(wallet, keys, tmp_path / "out", [WalletState.HELD] * 60 + [WalletState.DONE] * 60)
    found = all_errands(wallet)
    assert all_errands(wallet) == found, "kept in the wallet"
    for kind, spread in (("order", ERRAND_SPREAD_SECONDS), ("refund", REFUND_LOOK_SPREAD_SECONDS)):
        waits = [errand.due_at - NOW for errand in found if errand.kind == kind]
        assert len(set(waits)) > 50
        assert min(waits) >= 0 and max(waits) < spread
        assert max(waits) - min(waits) > spread / 2


def test_a_run_takes_one_whose_time_has_come(
    wallet: Wallet, keys: Keys, tmp_path: Path, later: list[int]
) -> None:
    orders = stocked(wallet, keys, tmp_path / "out", [WalletState.HELD] * 3)
    assert draw(wallet, all_errands(wallet)) is None, "nothing anonymous is due at once"
    later[0] = REFUND_LOOK_SPREAD_SECONDS
    drawn = [draw(wallet, all_errands(wallet)) for _ in range(200)]
    subjects = {errand.subject for errand in drawn if errand is not None}
    assert subjects == {order.order for order in orders} | {orders[0].broker}, "by lot"


def account(found: list[Errand]) -> Errand:
    return next(errand for errand in found if errand.kind == "account")


def cut_off(wallet: Wallet, keys: Keys, out: Path, count: int) -> None:
    """One finished account order, and others that were cut off."""
    stocked(wallet, keys, out, [])
    (bought,) = wallet.database.run_now(all_orders)
    for _ in range(count):
        order = replace(bought, order=os.urandom(32), state=WalletState.HELD.value)
        wallet.database.run_now(add_order, order)


def test_an_order_of_the_account_is_finished_at_once_and_then_at_times_of_its_own(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    """Tried in every run, it would be missing from the runs that serve somebody else."""
    cut_off(wallet, keys, tmp_path / "out", 1)
    waits = set()
    first = account(all_errands(wallet))
    assert first.due_at == 0 and draw(wallet, [first]) == first
    for _ in range(40):
        served(wallet, account(all_errands(wallet)))
        waits.add(account(all_errands(wallet)).due_at - NOW)
    assert min(waits) >= 0 and max(waits) < ERRAND_SPREAD_SECONDS
    assert len(waits) > 30 and max(waits) - min(waits) > ERRAND_SPREAD_SECONDS / 2


def test_an_order_that_is_cut_off_later_does_not_wait_for_an_earlier_one(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    cut_off(wallet, keys, tmp_path / "out", 1)
    served(wallet, account(all_errands(wallet)))
    assert account(all_errands(wallet)).due_at >= NOW
    (bought, *_) = wallet.database.run_now(all_orders)
    again = replace(bought, order=os.urandom(32), state=WalletState.HELD.value)
    wallet.database.run_now(add_order, again)
    assert account(all_errands(wallet)).due_at == 0


def test_an_account_asks_about_refunds_at_times_drawn_within_a_week(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    stocked(wallet, keys, tmp_path / "out", [])
    waits = set()
    for _ in range(40):
        found = account(all_errands(wallet))
        assert account(all_errands(wallet)) == found, "kept in the wallet"
        waits.add(found.due_at - NOW)
        served(wallet, found)
    assert min(waits) >= 0 and max(waits) < REFUND_LOOK_SPREAD_SECONDS
    assert len(waits) > 30 and max(waits) - min(waits) > REFUND_LOOK_SPREAD_SECONDS / 2


def test_runs_of_the_account_have_no_gap_where_another_identity_is_served(
    wallet: Wallet, keys: Keys, tmp_path: Path, later: list[int]
) -> None:
    """A timer of twenty minutes for a month: what the broker sees of the account.

    The old wallet's account came in every run but those of its anonymous orders.
    """
    stocked(wallet, keys, tmp_path / "out", [WalletState.DONE] * 20)
    seen: list[str] = []
    for _ in range(3 * 24 * 30):
        errand = draw(wallet, all_errands(wallet))
        seen.append("nobody" if errand is None else errand.kind)
        if errand is not None:
            served(wallet, errand)
        later[0] += 20 * 60
    assert 3 <= seen.count("account") <= 20, "some times a month"
    assert seen.count("refund") > 40
    assert seen.count("nobody") > len(seen) * 0.9


def test_stocks_are_refilled_at_a_moment_drawn_within_the_wallets_hours(
    wallet: Wallet, later: list[int]
) -> None:
    wallet.database.run_now(save_seeded, SeededWallet(b"w" * 16, CURRENT, 0, NOW % DAY_SECONDS))
    today, second = own_day(NOW, NOW % DAY_SECONDS)
    assert second == 0
    wallet.database.run_now(keep_stock, b"b" * 32, 500, 8, today)
    assert all_errands(wallet) == [], "from tomorrow on"
    waits = set()
    for day in range(1, 21):
        later[0] = day * DAY_SECONDS
        (errand,) = all_errands(wallet)
        assert errand.kind == "refill" and len(errand.stocks) == 1
        assert all_errands(wallet) == [errand], "kept in the wallet"
        waits.add(errand.due_at - NOW - later[0])
    assert min(waits) >= 0 and max(waits) < REFILL_WINDOW_SECONDS
    assert len(waits) > 15, "another one each day, also where it was missed"
    later[0] += REFILL_WINDOW_SECONDS
    assert all_errands(wallet) == []


def test_what_is_left_of_it_gets_another_time(
    wallet: Wallet, keys: Keys, tmp_path: Path, later: list[int]
) -> None:
    stocked(wallet, keys, tmp_path / "out", [WalletState.HELD])
    later[0] = ERRAND_SPREAD_SECONDS
    (errand,) = (e for e in all_errands(wallet) if e.kind == "order")
    served(wallet, errand)
    (again,) = (e for e in all_errands(wallet) if e.kind == "order")
    assert NOW + later[0] <= again.due_at < NOW + later[0] + ERRAND_SPREAD_SECONDS


def test_a_copy_that_was_not_finished_is_put_off(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    (order,) = stocked(wallet, keys, tmp_path / "out", [WalletState.DONE])
    copy = Copy(order.order, b"a" * 32, 2, DUE, NOW, str(tmp_path), b"", NOW)
    wallet.database.run_now(save_copy, copy)
    waits = set()
    for _ in range(8):
        (errand,) = (e for e in all_errands(wallet) if e.kind == "copy")
        waits.add(errand.due_at)
        served(wallet, errand)
    assert len(waits) > 5


def test_when_the_account_was_used_moves_nothing_anonymous(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    """Times are drawn from fresh randomness: the same draws, whatever the account has done."""
    stocked(wallet, keys, tmp_path / "out", [WalletState.HELD] * 4)
    before = all_errands(wallet)
    wallet.database.run_now(note_account_use, before[0].broker, NOW)
    assert wallet.database.run_now(account_used_lately, NOW)
    assert all_errands(wallet) == before
