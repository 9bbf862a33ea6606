"""Receipts verify offline, and nothing about them can be changed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.scripted_customer import Keys, Market, changed
from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.purchase.payment_rules import AccountPayment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.purchase.receipts import ReceiptFile, export_receipt, verify_receipt
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import ReceiptInvalid, WrongOrderState
from veilmart.protocol.encoding import decode


@pytest.fixture
def receipt(market: Market, tmp_path: Path) -> bytes:
    market.run(
        purchase(market.choice(tmp_path), AccountPayment(), market.clock, market.wallet.random)
    )
    (order,) = market.wallet.database.run_now(all_orders)
    return export_receipt(order)


def test_receipt_names_both_sides_amount_time_and_product(receipt: bytes, market: Market) -> None:
    found = verify_receipt(receipt)
    assert found.merchant == format_fingerprint(market.merchant.fingerprint)
    assert found.broker == format_fingerprint(market.broker.fingerprint)
    assert (found.amount, found.currency, found.held_at) == ("5.00", "EUR", market.now)
    assert found.product_root == market.product.root.hex()


def test_every_bit_of_the_papers_counts(receipt: bytes) -> None:
    papers = decode(ReceiptFile, receipt, 65536)
    for name in ReceiptFile.__struct_fields__:
        value: bytes = getattr(papers, name)
        for position in range(0, len(value), max(1, len(value) // 40)):
            bad = value[:position] + bytes([value[position] ^ 4]) + value[position + 1 :]
            with pytest.raises(ReceiptInvalid):
                verify_receipt(msgspec.msgpack.encode(changed(papers, **{name: bad})))


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_cut_or_lengthened_receipt_is_refused(receipt: bytes, cut: int) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt[:cut])
    with pytest.raises(ReceiptInvalid):
        verify_receipt(receipt + b"\0")


def swapped(papers: ReceiptFile, other: ReceiptFile, name: str) -> bytes:
    return msgspec.msgpack.encode(changed(papers, **{name: getattr(other, name)}))


@pytest.mark.parametrize("name", ["offer", "invoice", "receipt"])
def test_papers_of_two_purchases_do_not_mix(
    receipt: bytes, market: Market, tmp_path: Path, name: str
) -> None:
    market.run(
        purchase(market.choice(tmp_path), AccountPayment(), market.clock, market.wallet.random)
    )
    papers = [
        decode(ReceiptFile, export_receipt(order), 65536)
        for order in market.wallet.database.run_now(all_orders)
    ]
    with pytest.raises(ReceiptInvalid):
        verify_receipt(swapped(papers[0], papers[1], name))


def test_descriptor_of_another_time_is_refused(receipt: bytes, keys: Keys) -> None:
    papers: Any = decode(ReceiptFile, receipt, 65536)
    late = keys.descriptor("broker", [], not_before=1_900_000_000, not_after=1_900_000_100)
    with pytest.raises(ReceiptInvalid):
        verify_receipt(msgspec.msgpack.encode(changed(papers, broker_descriptor=late.signed)))


def test_there_is_no_receipt_before_the_key(market: Market, tmp_path: Path) -> None:
    market.tricks.segment = lambda index, attempt, segment: b""
    with pytest.raises(Exception, match="wrong length"):
        market.run(
            purchase(market.choice(tmp_path), AccountPayment(), market.clock, market.wallet.random)
        )
    (order,) = market.wallet.database.run_now(all_orders)
    with pytest.raises(WrongOrderState):
        export_receipt(order)
