"""A wallet from its words on a fresh machine; the old one, a second one, and many tokens."""

import os
import time
from pathlib import Path

import pytest

from tests.support.buyers import Killed, buy, buyer, finish, killed_at, unspent
from tests.support.roles import CREDIT, PASSWORD, PRICE, Roles
from veilmart.crypto.signing import public_key
from veilmart.customer.connection.shopper import connect
from veilmart.customer.library.updates import fetch_again
from veilmart.customer.tokens.lost_order_rules import (
    bring_refund,
    offered_under,
    rebuild,
    recall,
    trace,
)
from veilmart.customer.tokens.restore import Restored, find_orders, restore_tokens
from veilmart.customer.tokens.stock import deposit_tokens, withdraw_tokens
from veilmart.customer.wallet.lost_orders import orders_lost
from veilmart.customer.wallet.orders import all_orders, order_key
from veilmart.customer.wallet.seed import create_seed, draw_words, restore_seed, seed_words
from veilmart.customer.wallet.tokens import known_keys
from veilmart.customer.wallet.wallet import Wallet, open_wallet
from veilmart.errors import (
    NotRefunded,
    OrderUnknown,
    TokenSpent,
    WalletReplaced,
)
from veilmart.limits import ORDER_KEYS_SKIPPED
from veilmart.protocol.wallet_derivations import order_seed


async def restored(roles: Roles, name: str, words: str, folder: Path) -> tuple[Wallet, Restored]:
    """On a machine that knows nothing but the words and the password."""
    locked = open_wallet(folder, roles.clock, os.urandom)
    roles.closing.push_async_callback(locked.aclose)
    wallet = restore_seed(locked, words, "")
    async with await connect(wallet, roles.link) as shopper:
        await shopper.account.login(name, PASSWORD)
        return wallet, await restore_tokens(shopper)


async def test_restored_wallet_has_tokens_and_orders(roles: Roles, tmp_path: Path) -> None:
    old_shopper, old = await buyer(roles, "mia", tokens=4)
    words = seed_words(old, "")
    bought = await buy(roles, old, tmp_path / "out")
    await deposit_tokens(old_shopper, None, 1)
    wallet, found = await restored(roles, "mia", words, tmp_path / "new")
    assert found == Restored(withdrawn=4, unspent=2, foreign=0, orders=1)
    (lost,) = wallet.database.run_now(orders_lost)
    assert lost.order_key == order_key(bought.order)
    seed = wallet.seed or b""
    assert lost.order_key == public_key(order_seed(seed, lost.number))
    with pytest.raises(WalletReplaced):
        await withdraw_tokens(old_shopper, PRICE, 1)
    with pytest.raises(WalletReplaced):  # and it noticed
        await buy(roles, old, tmp_path / "out")
    again = await buy(roles, wallet, tmp_path / "out", title="july.txt")
    assert again.path.exists()
    number = next(
        n for n in range(2000) if public_key(order_seed(seed, n)) == order_key(again.order)
    )
    assert number >= lost.number + 1 + ORDER_KEYS_SKIPPED
    _, once_more = await restored(roles, "mia", words, tmp_path / "newer")
    assert (once_more.unspent, once_more.orders) == (1, 2)


async def test_order_of_a_restored_wallet_is_recalled_and_fetched_again(
    roles: Roles, tmp_path: Path
) -> None:
    _, old = await buyer(roles, "mia", tokens=1)
    bought = await buy(roles, old, tmp_path / "out")
    await roles.merchant_hears_of_all()
    wallet, _ = await restored(roles, "mia", seed_words(old, ""), tmp_path / "new")
    (lost,) = wallet.database.run_now(orders_lost)
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        traced = await shopper.perform(trace(wallet.seed or b"", lost))
        assert (traced.order, traced.state) == (bought.order.order, "settled")
        menu = await shopper.browse(roles.merchant_print)
        tunnel = await shopper.tunnel(menu.merchant)
        recalled = await shopper.perform(recall(tunnel, traced, os.urandom))
        assert offered_under(recalled) == menu.merchant.hash
        product = next(p for p in menu.products if p.id == recalled.product)
        papers = (shopper.broker, menu.merchant)
        order = rebuild(traced, recalled, papers, product, roles.clock())
        keys = await wallet.database.run(known_keys, lost.broker)
        with pytest.raises(NotRefunded):
            await shopper.perform(bring_refund(wallet.seed or b"", traced, keys, roles.clock))
    from veilmart.customer.tokens.lost_order_rules import _keep

    wallet.database.run_now(_keep, order, lost)
    assert wallet.database.run_now(orders_lost) == []
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        copy = await fetch_again(shopper, order, tmp_path / "again", newest=False)
    assert Path(copy.file_path or "").read_bytes() == bought.path.read_bytes()


async def test_refunded_order_of_a_restored_wallet_brings_its_token(
    roles: Roles, tmp_path: Path
) -> None:
    _, old = await buyer(roles, "mia", tokens=1)
    with pytest.raises(Killed):
        await buy(roles, old, tmp_path / "out", observe=killed_at("segment"))
    (order,) = old.database.run_now(all_orders)
    await finish(roles, old, order, cancel=True)
    wallet, found = await restored(roles, "mia", seed_words(old, ""), tmp_path / "new")
    assert (found.unspent, found.orders) == (0, 1)
    (lost,) = wallet.database.run_now(orders_lost)
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        seed = wallet.seed or b""
        traced = await shopper.perform(trace(seed, lost))
        keys = await wallet.database.run(known_keys, lost.broker)
        await shopper.perform(bring_refund(seed, traced, keys, roles.clock))
    assert unspent(roles, wallet) == 1
    assert wallet.database.run_now(orders_lost) == []
    assert (await buy(roles, wallet, tmp_path / "out", title="july.txt")).path.exists()


async def test_second_machine_that_spends_the_same_token_is_refused(
    roles: Roles, tmp_path: Path
) -> None:
    _, first = await buyer(roles, "mia", tokens=1)
    second, _ = await restored(roles, "mia", seed_words(first, ""), tmp_path / "new")
    await buy(roles, second, tmp_path / "out")
    with pytest.raises(TokenSpent):
        await buy(roles, first, tmp_path / "out", title="july.txt")
    states = [order.state for order in first.database.run_now(all_orders)]
    assert states == ["abandoned"]


async def test_withdrawals_of_other_words_are_left_alone(roles: Roles, tmp_path: Path) -> None:
    _, old = await buyer(roles, "mia", tokens=2)
    words = draw_words(old, 12)
    wallet, found = await restored(roles, "mia", words, tmp_path / "new")
    assert found == Restored(withdrawn=0, unspent=0, foreign=1, orders=0)
    assert unspent(roles, wallet) == 0


async def test_two_accounts_of_one_wallet_have_tokens_of_their_own(
    roles: Roles, tmp_path: Path
) -> None:
    shopper, wallet = await buyer(roles, "mia", tokens=1)
    await shopper.account.register("tomas", PASSWORD)
    await roles.pay_in("tomas", CREDIT)
    await withdraw_tokens(shopper, PRICE, 1)
    assert unspent(roles, wallet) == 2
    for title in ("june.txt", "july.txt"):
        await buy(roles, wallet, tmp_path / "out", title=title)
    await roles.check_books()


async def test_key_of_nobody_is_unknown(roles: Roles, tmp_path: Path) -> None:
    _, wallet = await buyer(roles, "mia", tokens=0)
    from veilmart.customer.wallet.lost_orders import LostOrder

    seed = wallet.seed or b""
    lost = LostOrder(roles.opened.fingerprint, 5, public_key(order_seed(seed, 5)))
    async with await connect(wallet, roles.link, anonymous=True) as shopper:
        assert await shopper.perform(find_orders(seed, roles.opened.fingerprint)) == 0
        with pytest.raises(OrderUnknown):
            await shopper.perform(trace(seed, lost))


async def many(roles: Roles, tmp_path: Path, count: int) -> float:
    shopper, old = await buyer(roles, "mia", tokens=0)
    await roles.pay_in("mia", count * PRICE)
    await withdraw_tokens(shopper, PRICE, count)
    began = time.perf_counter()
    wallet, found = await restored(roles, "mia", seed_words(old, ""), tmp_path / "new")
    took = time.perf_counter() - began
    assert found.unspent == count
    assert unspent(roles, wallet) == count
    return took


async def test_withdrawals_on_several_pages_come_back(roles: Roles, tmp_path: Path) -> None:
    await many(roles, tmp_path, 70)


@pytest.mark.long
async def test_thousand_tokens_come_back(roles: Roles, tmp_path: Path) -> None:
    """docs/performance.md has the time it takes; here only that it is nothing absurd."""
    assert await many(roles, tmp_path, 1000) < 100


async def test_wallet_without_words_goes_on_as_before(roles: Roles, tmp_path: Path) -> None:
    shopper = await roles.customer("mia")
    menu = await shopper.browse(roles.merchant_print)
    bought = await shopper.buy(menu, menu.products[0], tmp_path / "out")
    assert bought.order.spend is None
    assert create_seed(roles.wallet("mia"), draw_words(roles.wallet("mia"), 24), "").seed
