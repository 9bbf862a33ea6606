"""Checks of an invoice before the broker shows it to a customer.

Pure (docs/protocol/09-purchase.md).
"""

from veilmart.broker.merchants import MerchantView
from veilmart.crypto.signing import check_public_key
from veilmart.crypto.suite import suite_by_id
from veilmart.errors import ClocksDiffer, OfferMismatch, PriceGone, SignatureInvalid
from veilmart.limits import CLOCK_SKEW_SECONDS, DELIVER_MIN_SECONDS, SETTLE_MIN_SECONDS
from veilmart.protocol import labels
from veilmart.protocol.descriptor import Descriptor
from veilmart.protocol.moments import format_moment
from veilmart.protocol.offer import Invoice, open_object

# Later than this, somebody's money would be bound for longer than anybody waits.
DEADLINE_MAX_SECONDS = 90 * 24 * 3600


def check_relayed_invoice(
    signed: bytes, merchant: MerchantView, broker: bytes, price_points: tuple[int, ...], now: int
) -> Invoice:
    """The invoice, verified under a descriptor of the merchant whose keys are still good.

    Raises SignatureInvalid, MalformedMessage, UnknownSuite, BadPublicValue, OfferMismatch naming
    the field, PriceGone for an amount that is no price point (any more), and ClocksDiffer where
    only its time to pay does not fit.
    """
    invoice, descriptor = _open(signed, merchant, now)
    suite_by_id(invoice.suite)
    check_public_key(invoice.order_key)
    if invoice.merchant != merchant.fingerprint:
        raise OfferMismatch("The invoice names another merchant.")
    if invoice.broker != broker:
        raise OfferMismatch("The invoice is for another broker.")
    if invoice.amount not in price_points:
        raise PriceGone
    terms = (invoice.amount, invoice.deliver_within, invoice.settle_within)
    fitting = [
        shelf
        for shelf in descriptor.shelves
        if (shelf.price, shelf.deliver_within, shelf.settle_within) == terms
    ]
    if not fitting:
        raise OfferMismatch("No shelf has the invoice's amount and deadlines.")
    pay_within = max(shelf.pay_within for shelf in fitting) + CLOCK_SKEW_SECONDS
    if not now < invoice.pay_by <= now + min(pay_within, DEADLINE_MAX_SECONDS):
        until, here = format_moment(invoice.pay_by), format_moment(now)
        raise ClocksDiffer(f"The merchant's offer ends at {until}; the broker's clock says {here}.")
    if max(invoice.deliver_within, invoice.settle_within) > DEADLINE_MAX_SECONDS:
        raise OfferMismatch("The invoice's deadlines are too far away.")
    if invoice.deliver_within < DELIVER_MIN_SECONDS or invoice.settle_within < SETTLE_MIN_SECONDS:
        raise OfferMismatch("The invoice's deadlines leave no time to examine the goods.")
    return invoice


def _open(signed: bytes, merchant: MerchantView, now: int) -> tuple[Invoice, Descriptor]:
    for known in merchant.usable(now):
        try:
            descriptor = known.descriptor
            return open_object(Invoice, descriptor.signing_key, labels.INVOICE, signed), descriptor
        except SignatureInvalid:
            continue  # the one before may have signed it
    raise SignatureInvalid("No current key of the merchant signed the invoice.")
