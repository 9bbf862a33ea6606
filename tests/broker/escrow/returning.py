"""Money that goes back after the key was out: a dispute that is won, and merchants' own refunds."""

import hashlib
import os

from tests.support.broker_market import Market
from tests.support.scripted_broker import PRICE, SHELF
from veilmart.protocol import labels
from veilmart.protocol.dispute_messages import (
    Dispute,
    Evidence,
    RefundOrder,
    RefundRequest,
    SendEvidence,
)
from veilmart.protocol.encoding import encode
from veilmart.protocol.offer import Offer, escrow_key_hash, sign_object
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.signed_requests import sign_request


def signed_offer(market: Market, escrow: bytes) -> bytes:
    """What the merchant signed for a customer; the order key in it does not matter here."""
    merchant = market.merchant
    offer = Offer(
        merchant=merchant.fingerprint,
        broker=merchant.broker,
        descriptor=merchant.descriptor.hash,
        random=os.urandom(32),
        suite=1,
        shelf=SHELF.id,
        price=PRICE,
        size=SHELF.size,
        product=bytes(32),
        content_key_hash=bytes(32),
        escrow_key_hash=escrow_key_hash(escrow),
        order_key=bytes(32),
        pay_by=market.clock() + 900,
        deliver_within=SHELF.deliver_within,
        settle_within=SHELF.settle_within,
    )
    return sign_object(merchant.seed, labels.OFFER, offer)


async def dispute_the_key(market: Market, order: bytes, offer: bytes, escrow: bytes) -> None:
    """The sealed key of a scripted merchant opens nothing: the dispute is won."""
    evidence = encode(
        Evidence(
            offer=offer,
            descriptor=market.merchant.signed,
            escrow_key=escrow,
            segment=b"",
            pieces=b"",
        )
    )
    seed = market.seeds[order]
    signature = sign_action(seed, order, "evidence")
    part = SendEvidence(order=order, part=0, data=evidence, signature=signature)
    await market.ask(market.session(), part)
    claim = Dispute(
        operation=operation_id(order, "dispute"),
        order=order,
        reason="key",
        index=0,
        parts=1,
        hash=hashlib.sha256(evidence).digest(),
        signature=sign_action(seed, order, "dispute"),
    )
    await market.ask(market.session(), claim)


def refund_of(market: Market, order: bytes) -> RefundOrder:
    """The merchant's signed paper."""
    merchant = market.merchant
    paper = RefundRequest(
        broker=merchant.broker, merchant=merchant.fingerprint, order=order, at=market.clock()
    )
    return RefundOrder(signed=sign_request(merchant.key, labels.MERCHANT_REFUND, paper))
