"""New versions of owned products: detected, scheduled, fetched when they are due.

Everything happens in anonymous sessions: the broker sees that somebody fetches from a merchant,
not who, nor what.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from veilmart.customer.browsing.menu import Menu
from veilmart.customer.library.refetch_rules import fetch_copy
from veilmart.customer.wallet.copies import (
    DONE,
    DUE,
    FETCHING,
    Copy,
    drop_copy,
    find_copy,
    open_copies,
    save_copy,
)
from veilmart.customer.wallet.orders import Order, get_order, orders_in, terms_of
from veilmart.customer.wallet.parcels import save_ended
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    DescriptorUnknown,
    NoSuchProduct,
    ProductGone,
    StoreDamaged,
    WrongOrderState,
)
from veilmart.limits import UPDATE_WINDOW_SECONDS
from veilmart.protocol.catalogue import NO_ROOT, Product
from veilmart.protocol.wallet_states import WalletEvent, WalletState

if TYPE_CHECKING:
    from veilmart.customer.connection.shopper import Shopper


def owned_orders(wallet: Wallet) -> list[Order]:
    """The owned orders; of several purchases of one product the newest."""
    newest: dict[tuple[bytes, bytes, bytes], Order] = {}
    for order in wallet.database.run_now(orders_in, (WalletState.DONE,)):
        newest.setdefault((order.broker, order.merchant, order.product), order)
    return list(newest.values())


def current_product(menu: Menu, order: Order) -> Product | None:
    """The present entry of the order's product on its shelf, or None."""
    shelf = terms_of(order).offer.shelf
    # Not the first that fits: a search that ends earlier would go on to the merchant earlier.
    return {(each.id, each.shelf): each for each in menu.products}.get((order.product, shelf))


def plan_updates(wallet: Wallet, menu: Menu, orders: list[Order]) -> list[Copy]:
    """Put newer versions of `orders` on the list, each at a random moment of the window."""
    planned = []
    for order in orders:
        product = current_product(menu, order)
        if product is None or product.root in (NO_ROOT, terms_of(order).offer.product):
            continue
        known = wallet.database.run_now(find_copy, order.order, product.root)
        if product.version <= order.version or known is not None:
            continue
        later = int.from_bytes(wallet.random(8), "big") % UPDATE_WINDOW_SECONDS
        copy = _new_copy(wallet, order, product.root, product.version, Path(order.out_folder))
        planned.append(replace(copy, due_at=copy.due_at + later))
        wallet.database.run_now(save_copy, planned[-1])
    return planned


def due_copies(wallet: Wallet, *, at_once: bool = False) -> list[tuple[Copy, Order]]:
    """Interrupted fetches, and those that are due."""
    now = wallet.clock()
    found = []
    for copy in wallet.database.run_now(open_copies):
        if copy.state == FETCHING or at_once or copy.due_at <= now:
            found.append((copy, _order_of(wallet, copy)))
    return found


async def fetch_due(shopper: "Shopper", copy: Copy, order: Order) -> Copy | None:
    """Fetch one; None when a still newer version has taken its place."""
    try:
        return await _fetch(shopper, copy, order)
    except ProductGone:
        wallet = shopper.wallet
        await wallet.database.run(drop_copy, copy)
        wallet.parcels.drop(copy.name)
        return None


async def fetch_again(shopper: "Shopper", order: Order, out: Path, *, newest: bool) -> Copy:
    """The version that was bought, or the newest on its shelf, into `out`.

    A fetch that was cut off goes on into the folder where it began. An order whose key is here, and
    whose segments were damaged on this machine after the merchant ceased to serve them, is finished
    by it: the merchant grants it once the order is settled. Raises WrongOrderState before the key
    came, NoSuchProduct, and as `fetch_copy`.
    """
    if order.state not in (WalletState.DONE, WalletState.RELEASED):
        raise WrongOrderState(f"It is {order.state}.", money="")
    wallet, offer = shopper.wallet, terms_of(order).offer
    root, version = offer.product, order.version
    if newest:
        product = current_product(await shopper.browse(order.merchant), order)
        if product is None:
            raise NoSuchProduct("It is no longer sold on its shelf.")
        if product.root != NO_ROOT:  # a unique code has no newer version
            root, version = product.root, product.version
    known = await wallet.database.run(find_copy, order.order, root)
    if known is None or known.state == DONE:
        known = _new_copy(wallet, order, root, version, out)
    done = await _fetch(shopper, known, order)
    if order.state == WalletState.RELEASED:
        ready = order.after(WalletEvent.FILE_READY, wallet.clock())
        ended = replace(ready, file_path=done.file_path).after(WalletEvent.SETTLED, wallet.clock())
        await wallet.database.run(save_ended, ended)
        wallet.parcels.drop(order.order)
    return done


async def _fetch(shopper: "Shopper", copy: Copy, order: Order) -> Copy:
    wallet = shopper.wallet
    for fresh in (False, True):
        merchant = await shopper.merchant(order.merchant, fresh=fresh)
        suite = shopper.suite_for(merchant)
        try:
            rule = fetch_copy(copy, order, merchant, suite, wallet.clock, wallet.random)
            return await shopper.perform(rule)
        except DescriptorUnknown:
            if fresh:
                raise
    raise DescriptorUnknown


def _new_copy(wallet: Wallet, order: Order, root: bytes, version: int, out: Path) -> Copy:
    now = wallet.clock()
    return Copy(order.order, root, version, DUE, now, str(out.absolute()), b"", now)


def _order_of(wallet: Wallet, copy: Copy) -> Order:
    order = wallet.database.run_now(get_order, copy.order)
    if order is None:
        raise StoreDamaged("A copy's order.")
    return order
