"""One run serves one identity, and each anonymous one has a time of its own."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.customer.scripted_market import NOW, Keys, Market
from veilmart.customer.library.errands import Errand, all_errands, draw, served
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.wallet.account_use import account_used_lately, note_account_use
from veilmart.customer.wallet.copies import DUE, Copy, save_copy
from veilmart.customer.wallet.orders import Order, add_order, all_orders
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.limits import ERRAND_SPREAD_SECONDS, REFUND_LOOK_SPREAD_SECONDS
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
    first = draw(wallet, all_errands(wallet))
    assert first is not None and first.kind == "account", "nothing anonymous is due at once"
    later[0] = ERRAND_SPREAD_SECONDS
    drawn = [draw(wallet, all_errands(wallet)) for _ in range(200)]
    subjects = {errand.subject for errand in drawn if errand is not None}
    assert subjects == {order.order for order in orders} | {orders[0].broker}, "by lot"


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
