"""Recovering an order that is known by its key alone (docs/protocol/11-tokens.md, 11.8).

One order on one connection, when the person wants to see it: the broker must not learn which orders
belong together. The broker tells its state; the merchant gives the signed offer back, and with it
the goods can be fetched again. A refunded one brings its token.
"""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from veilmart.crypto import signing
from veilmart.customer.browsing.tunnel_rules import Tunnel, ask_merchant
from veilmart.customer.effects import AskBroker
from veilmart.customer.wallet.lost_orders import LostOrder, order_found
from veilmart.customer.wallet.orders import Order, add_order, described
from veilmart.customer.wallet.tokens import KnownKey, add_refund
from veilmart.errors import OfferMismatch, OrderUnknown, TokenInvalid
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.catalogue import Product
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.merchant_messages import Recall, Recalled
from veilmart.protocol.offer import Invoice, Offer
from veilmart.protocol.order_key import sign_action
from veilmart.protocol.ports import Clock, Random
from veilmart.protocol.token import finish_token
from veilmart.protocol.token_messages import GetRefund, Recover, Recovered, RefundToken
from veilmart.protocol.wallet_derivations import order_seed, refund_secrets
from veilmart.protocol.wallet_states import WalletState

_NO_ORDER = bytes(32)
_NO_KEY = bytes(32)
_OWNED = (InvoiceState.RELEASED, InvoiceState.SETTLED)


@dataclass(frozen=True)
class Traced:
    """What the broker knows. merchant: fingerprint, None once the invoice is gone."""

    lost: LostOrder
    seed: bytes = field(repr=False)
    order: bytes
    state: str
    amount: int
    merchant: bytes | None


def trace(wallet_seed: bytes, lost: LostOrder) -> Rule[Traced]:
    """Ask the broker. Raises OrderUnknown."""
    seed = order_seed(wallet_seed, lost.number)
    if signing.public_key(seed) != lost.order_key:
        raise OrderUnknown("Its key is not of this wallet.")
    request = Recover(order_key=lost.order_key, signature=sign_action(seed, _NO_ORDER, "recover"))
    found = yield from AskBroker(request, Recovered)
    merchant = None
    if found.invoice:
        # Whose signature that is shows when the merchant's offer is here: it names the same order.
        body = found.invoice[offers.SIGNATURE_BYTES :]
        invoice = decode(Invoice, body, offers.SIGNED_MAX_BYTES)
        if invoice.order_key != lost.order_key or invoice.order != found.order:
            raise OfferMismatch("The broker named another order.")
        merchant = invoice.merchant
    return Traced(lost, seed, found.order, found.state, found.amount, merchant)


def bring_refund(
    wallet_seed: bytes, traced: Traced, keys: dict[bytes, KnownKey], clock: Clock
) -> Rule[None]:
    """A refunded order's token. keys: the broker's, by id. Raises NotRefunded, TokenInvalid."""
    signature = sign_action(traced.seed, traced.order, "refund")
    answer = yield from AskBroker(GetRefund(order=traced.order, signature=signature), RefundToken)
    key = keys.get(answer.key)
    if key is None or key.listed.price != traced.amount:
        raise TokenInvalid("The refund is under a key that the broker does not list.")
    public = traced.lost.order_key
    finish_token(key.public, refund_secrets(wallet_seed, key.public, public), answer.signature)
    row = (traced.lost.broker, answer.key, public, answer.signature, clock())
    yield from transact(add_refund, *row)
    yield from transact(order_found, traced.lost)


def recall(tunnel: Tunnel, traced: Traced, random: Random) -> Rule[Recalled]:
    """The signed offer, not verified yet. Raises OrderUnknown."""
    request = Recall(
        broker=traced.lost.broker,
        order=traced.order,
        signature=sign_action(traced.seed, traced.order, "recall"),
    )
    recalled: Recalled
    recalled, _ = yield from ask_merchant(tunnel, request, Recalled, random)
    if offers.order_of(recalled.offer) != traced.order:
        raise OfferMismatch("The merchant gave another offer.")
    return recalled


def offered_under(recalled: Recalled) -> bytes:
    """Hash of the descriptor whose key signed the offer."""
    body = recalled.offer[offers.SIGNATURE_BYTES :]
    return decode(Offer, body, offers.SIGNED_MAX_BYTES).descriptor


def rebuild(
    traced: Traced,
    recalled: Recalled,
    descriptors: tuple[SignedDescriptor, SignedDescriptor],
    product: Product | None,
    now: int,
) -> Order:
    """The order's row. descriptors: the broker's, and the merchant's that the offer names.

    product: its present entry in the catalogue, if any. Raises SignatureInvalid, OfferMismatch.
    """
    broker, merchant = descriptors
    key = merchant.descriptor.signing_key
    offer = offers.open_object(Offer, key, labels.OFFER, recalled.offer)
    named = (offer.order_key, offer.broker, offer.merchant)
    if named != (traced.lost.order_key, broker.fingerprint, merchant.fingerprint):
        raise OfferMismatch("The offer is of another order.")
    same = product is not None and product.root == offer.product
    done = traced.state in _OWNED
    return Order(
        order=traced.order,
        state=(WalletState.DONE if done else WalletState.REFUNDED).value,
        broker=broker.fingerprint,
        merchant=merchant.fingerprint,
        broker_descriptor=broker.signed,
        merchant_descriptor=merchant.signed,
        offer=recalled.offer,
        escrow_key=_NO_KEY,
        order_seed=traced.seed,
        product=recalled.product,
        title="(a restored order)" if product is None else product.title,
        file_name="restored.bin" if product is None else product.file_name,
        version=product.version if product is not None and same else 0,
        pieces=b"",
        out_folder=str(Path().absolute()),
        made_at=now,
        changed_at=now,
        described=described(product) if product is not None and same else None,
    )


def keep(order: Order, lost: LostOrder) -> Rule[None]:
    """One transaction: the order has a row, and is lost no more."""
    yield from transact(_keep, order, lost)


def _keep(connection: Connection, order: Order, lost: LostOrder) -> None:
    add_order(connection, order)
    order_found(connection, lost)
