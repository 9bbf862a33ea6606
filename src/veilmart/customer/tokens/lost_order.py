"""One order of a restored wallet, asked about on a separate connection.

A refunded one brings its token; one that is ours comes back into the wallet from its merchant's
own offer, and can be fetched again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.tokens.lost_order_rules import (
    Traced,
    bring_refund,
    keep,
    offered_under,
    rebuild,
    recall,
    trace,
)
from veilmart.customer.trust.pins import pinned_merchant
from veilmart.customer.wallet.lost_orders import LostOrder
from veilmart.customer.wallet.orders import Order
from veilmart.customer.wallet.tokens import known_keys
from veilmart.errors import DescriptorUnknown, WalletLocked
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.invoice_states import InvoiceState

DESCRIPTORS_BACK_MAX = 1024
Meet = Callable[[bytes], Awaitable[None]]
"""Pin a merchant (32 bytes) that the wallet does not know yet, or raise."""


async def bring_back(
    shopper: Shopper, lost: LostOrder, meet: Meet, out: Path
) -> tuple[Traced, str]:
    """Its state, and its title if it came back. shopper: anonymous.

    out: the folder that its file is fetched into later.

    Raises WalletLocked, DescriptorUnknown, and what `meet` raises.
    """
    wallet = shopper.wallet
    if wallet.seed is None:
        raise WalletLocked
    traced = await shopper.perform(trace(wallet.seed, lost))
    title = ""
    if traced.state == InvoiceState.REFUNDED:
        keys = await wallet.database.run(known_keys, lost.broker)
        await shopper.perform(bring_refund(wallet.seed, traced, keys, wallet.clock))
    elif traced.merchant is not None and traced.state in (
        InvoiceState.SETTLED,
        InvoiceState.RELEASED,
    ):
        title = await _recall(shopper, meet, traced, traced.merchant, out)
    return traced, title


async def _recall(shopper: Shopper, meet: Meet, traced: Traced, merchant: bytes, out: Path) -> str:
    """The offer from the merchant, the order into the wallet; its title."""
    wallet, broker = shopper.wallet, shopper.broker.fingerprint
    if await wallet.database.run(pinned_merchant, broker, merchant) is None:
        await meet(merchant)
    menu = await shopper.browse(merchant)
    tunnel = await shopper.tunnel(menu.merchant)
    recalled = await shopper.perform(recall(tunnel, traced, wallet.random))
    merchant_then = await _signed_under(shopper, menu.merchant, offered_under(recalled))
    product: Product | None = next((p for p in menu.products if p.id == recalled.product), None)
    order = rebuild(traced, recalled, (shopper.broker, merchant_then), product, wallet.clock())
    await shopper.perform(keep(_fetched_into(order, out), traced.lost))
    return order.title


async def _signed_under(
    shopper: Shopper, newest: SignedDescriptor, wanted: bytes
) -> SignedDescriptor:
    """The merchant's descriptor with this hash, looked for backwards. Raises DescriptorUnknown."""
    found, source = newest, shopper.descriptors_of(newest.fingerprint)
    for _ in range(DESCRIPTORS_BACK_MAX):
        if found.hash == wanted:
            return found
        serial = found.descriptor.serial - 1
        if serial < 1:
            break
        found = read_descriptor(await source.numbered(serial))
        if found.fingerprint != newest.fingerprint:
            raise DescriptorUnknown(format_fingerprint(newest.fingerprint))
    raise DescriptorUnknown("The offer's descriptor is not served any more.")


def _fetched_into(order: Order, out: Path) -> Order:
    return replace(order, out_folder=str(out.absolute()))
