"""Offer, invoice, receipt, W (docs/protocol/09-purchase.md, steps 4 to 8): one field at a time."""

from typing import Any

import msgspec
import pytest

from tests.protocol.protocol_samples import (
    CONTENT_KEY,
    ESCROW,
    MERCHANT_PUBLIC,
    MERCHANT_SEED,
    NOW,
    SUITE_IDS,
    SUITES,
    flipped,
    invoice,
    make_session,
    offer,
    selection,
)
from veilmart.crypto import signing
from veilmart.crypto.suite import Suite
from veilmart.errors import (
    ContentKeyInvalid,
    MalformedMessage,
    OfferMismatch,
    OfferOver,
    SignatureInvalid,
)
from veilmart.limits import INTEGER_MAX
from veilmart.protocol import labels
from veilmart.protocol.encoding import Message
from veilmart.protocol.offer import (
    SEALED_KEY_BYTES,
    SIGNED_MAX_BYTES,
    Invoice,
    Offer,
    PaymentReceipt,
    check_invoice,
    check_offer,
    content_key_hash,
    escrow_key,
    escrow_key_hash,
    invoice_hash,
    open_content_key,
    open_object,
    order_of,
    seal_content_key,
    sign_object,
)

pytestmark = pytest.mark.parametrize("suite", SUITES, ids=SUITE_IDS)

ORDER = b"O" * 32

OFFER_CHANGES: dict[str, tuple[Any, str]] = {
    "merchant": (b"?" * 32, "merchant"),
    "broker": (b"?" * 32, "broker"),
    "descriptor": (b"?" * 32, "descriptor"),
    "suite": (9, "suite"),
    "shelf": (4, "shelf"),
    "price": (501, "price"),
    "size": (5120, "size"),
    "product": (b"?" * 32, "product"),
    "escrow_key_hash": (b"?" * 32, "escrow key"),
    "order_key": (b"?" * 32, "order key"),
    "pay_by": (NOW, "expired"),
    "deliver_within": (86401, "delivery deadline"),
    "settle_within": (1, "settlement deadline"),
}
NOT_COMPARED = {
    "random": "fresh; it shows in the escrow key",
    "content_key_hash": "compared when W is opened",
}

INVOICE_CHANGES: dict[str, tuple[Any, str]] = {
    "merchant": (b"?" * 32, "merchant"),
    "broker": (b"?" * 32, "broker"),
    "order": (b"?" * 32, "order"),
    "suite": (9, "suite"),
    "amount": (499, "amount"),
    "order_key": (b"?" * 32, "order key"),
    "pay_by": (NOW + 901, "payment deadline"),
    "deliver_within": (1, "delivery deadline"),
    "settle_within": (1, "settlement deadline"),
}


def test_an_honest_offer_and_invoice_pass(suite: Suite) -> None:
    made = offer(suite)
    check_offer(made, selection(suite), ESCROW, NOW)
    check_invoice(invoice(made, ORDER, bytes(64)), made, ORDER)


def test_every_field_of_the_offer_is_compared_or_accounted_for(suite: Suite) -> None:
    assert set(Offer.__struct_fields__) == set(OFFER_CHANGES) | set(NOT_COMPARED)
    assert set(Invoice.__struct_fields__) == set(INVOICE_CHANGES) | {"sealed_key"}


@pytest.mark.parametrize("field", OFFER_CHANGES)
def test_a_changed_offer_is_refused_by_name(suite: Suite, field: str) -> None:
    value, named = OFFER_CHANGES[field]
    changed = msgspec.structs.replace(offer(suite), **{field: value})
    with pytest.raises(OfferMismatch) as caught:
        check_offer(changed, selection(suite), ESCROW, NOW)
    assert named in caught.value.detail


def test_an_offer_is_good_to_the_last_second(suite: Suite) -> None:
    made = offer(suite)
    check_offer(made, selection(suite), ESCROW, made.pay_by - 1)
    with pytest.raises(OfferOver):
        check_offer(made, selection(suite), ESCROW, made.pay_by)


@pytest.mark.parametrize("ahead", [3600, 3 * 86_400])
def test_a_clock_that_is_ahead_is_named_and_not_the_merchant(suite: Suite, ahead: int) -> None:
    made = offer(suite)
    with pytest.raises(OfferOver) as caught:
        check_offer(made, selection(suite), ESCROW, NOW + ahead)
    said = caught.value.explain()
    assert said.count(" UTC") == 2 and "clock" in said and "Report the merchant" not in said


def test_an_offer_for_another_tunnel_is_refused(suite: Suite) -> None:
    """Anyone who did not make the tunnel cannot have computed the escrow key's hash."""
    ours, other = make_session(suite, 1), make_session(suite, 2)
    made = offer(suite)
    key = escrow_key(ours.initiator.exporter, made.random)
    honest = msgspec.structs.replace(made, escrow_key_hash=escrow_key_hash(key))
    check_offer(honest, selection(suite), key, NOW)
    assert escrow_key(ours.responder.exporter, made.random) == key
    for foreign in (
        escrow_key(other.initiator.exporter, made.random),
        escrow_key(ours.initiator.exporter, b"?" * 32),
    ):
        with pytest.raises(OfferMismatch, match="escrow key"):
            check_offer(honest, selection(suite), foreign, NOW)


@pytest.mark.parametrize("field", INVOICE_CHANGES)
def test_a_changed_invoice_is_refused_by_name(suite: Suite, field: str) -> None:
    value, named = INVOICE_CHANGES[field]
    made = offer(suite)
    changed = msgspec.structs.replace(invoice(made, ORDER, bytes(64)), **{field: value})
    with pytest.raises(OfferMismatch) as caught:
        check_invoice(changed, made, ORDER)
    assert named in caught.value.detail


class TestSealedKey:
    """W = seal(escrow key; content key, AD = order)."""

    def test_opens_to_the_content_key(self, suite: Suite) -> None:
        sealed = seal_content_key(suite, ESCROW, CONTENT_KEY, ORDER)
        assert len(sealed) == SEALED_KEY_BYTES
        assert CONTENT_KEY not in sealed
        assert open_content_key(suite, ESCROW, offer(suite), ORDER, sealed) == CONTENT_KEY

    def test_wrong_w(self, suite: Suite) -> None:
        sealed = seal_content_key(suite, ESCROW, CONTENT_KEY, ORDER)
        for index in range(0, len(sealed), 5):
            with pytest.raises(ContentKeyInvalid):
                open_content_key(suite, ESCROW, offer(suite), ORDER, flipped(sealed, index))

    @pytest.mark.parametrize("length", [0, 1, 31, 32, 63])
    def test_cut_w(self, suite: Suite, length: int) -> None:
        sealed = seal_content_key(suite, ESCROW, CONTENT_KEY, ORDER)
        with pytest.raises(ContentKeyInvalid):
            open_content_key(suite, ESCROW, offer(suite), ORDER, sealed[:length])

    def test_w_of_another_order(self, suite: Suite) -> None:
        sealed = seal_content_key(suite, ESCROW, CONTENT_KEY, b"?" * 32)
        with pytest.raises(ContentKeyInvalid):
            open_content_key(suite, ESCROW, offer(suite), ORDER, sealed)

    def test_w_under_another_escrow_key(self, suite: Suite) -> None:
        sealed = seal_content_key(suite, b"?" * 32, CONTENT_KEY, ORDER)
        with pytest.raises(ContentKeyInvalid):
            open_content_key(suite, ESCROW, offer(suite), ORDER, sealed)

    def test_w_that_opens_to_another_key(self, suite: Suite) -> None:
        sealed = seal_content_key(suite, ESCROW, b"?" * 32, ORDER)
        with pytest.raises(ContentKeyInvalid):
            open_content_key(suite, ESCROW, offer(suite), ORDER, sealed)

    def test_w_of_the_other_suite(self, suite: Suite) -> None:
        other = next(candidate for candidate in SUITES if candidate.id != suite.id)
        sealed = seal_content_key(other, ESCROW, CONTENT_KEY, ORDER)
        with pytest.raises(ContentKeyInvalid):
            open_content_key(suite, ESCROW, offer(suite), ORDER, sealed)

    def test_the_hash_says_nothing_in_common_with_the_key(self, suite: Suite) -> None:
        assert content_key_hash(CONTENT_KEY) != CONTENT_KEY
        assert content_key_hash(b"?" * 32) != offer(suite).content_key_hash


def objects(suite: Suite) -> dict[str, Message]:
    made = offer(suite)
    return {
        labels.OFFER: made,
        labels.INVOICE: invoice(made, ORDER, bytes(64)),
        labels.PAYMENT_RECEIPT: PaymentReceipt(
            broker=made.broker,
            merchant=made.merchant,
            order=ORDER,
            invoice=b"i" * 32,
            amount=500,
            held_at=NOW,
        ),
    }


LABELS = [labels.OFFER, labels.INVOICE, labels.PAYMENT_RECEIPT]


@pytest.mark.parametrize("label", LABELS)
class TestSignedObjects:
    def test_comes_out_as_it_went_in(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        signed = sign_object(MERCHANT_SEED, label, made)
        assert open_object(type(made), MERCHANT_PUBLIC, label, signed) == made

    def test_a_changed_byte_anywhere(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        signed = sign_object(MERCHANT_SEED, label, made)
        for index in range(0, len(signed), 11):
            with pytest.raises(SignatureInvalid):
                open_object(type(made), MERCHANT_PUBLIC, label, flipped(signed, index))

    def test_signed_by_somebody_else(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        with pytest.raises(SignatureInvalid):
            open_object(type(made), MERCHANT_PUBLIC, label, sign_object(b"?" * 32, label, made))

    def test_signed_under_another_label(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        for other in (*LABELS, labels.SEGMENT, labels.CATALOGUE):
            if other != label:
                with pytest.raises(SignatureInvalid):
                    signed = sign_object(MERCHANT_SEED, other, made)
                    open_object(type(made), MERCHANT_PUBLIC, label, signed)

    def test_impossible_lengths(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        for length in (0, 63, 64, SIGNED_MAX_BYTES + 1):
            with pytest.raises(MalformedMessage):
                open_object(type(made), MERCHANT_PUBLIC, label, bytes(length))

    def test_truly_signed_junk(self, suite: Suite, label: str) -> None:
        for body in (b"\0", b"\x80", bytes(900)):
            signed = signing.sign(MERCHANT_SEED, label, body) + body
            with pytest.raises(MalformedMessage):
                open_object(type(objects(suite)[label]), MERCHANT_PUBLIC, label, signed)

    def test_the_largest_fits_into_1024_bytes(self, suite: Suite, label: str) -> None:
        made = objects(suite)[label]
        numbers = {
            name: INTEGER_MAX
            for name in made.__struct_fields__
            if isinstance(getattr(made, name), int)
        }
        huge = msgspec.structs.replace(made, **numbers)
        signed = sign_object(MERCHANT_SEED, label, huge)
        assert open_object(type(made), MERCHANT_PUBLIC, label, signed) == huge


def test_the_order_names_the_signed_bytes(suite: Suite) -> None:
    signed = sign_object(MERCHANT_SEED, labels.OFFER, offer(suite))
    assert len(order_of(signed)) == 32
    for index in range(0, len(signed), 50):
        assert order_of(flipped(signed, index)) != order_of(signed)
    assert order_of(signed) != invoice_hash(signed)
