"""Every way in which a merchant can cheat with its own signature, and how that ends.

docs/threat-model.md, "The merchant"; each case on a real broker with real keys and ciphers.
"""

import os
from typing import Any

import pytest

from tests.disputes.court import CREDIT, PRICE, SHELF, Court
from tests.support.engines import both_engines
from tests.support.signed_orders import TWO_PIECES, Cheats, cut, product
from veilmart.broker import events, merchants
from veilmart.broker.disputes.records import dispute_lines
from veilmart.crypto import signing
from veilmart.crypto.suite import Suite, all_suites
from veilmart.limits import PIECE_BYTES
from veilmart.protocol.evidence import Finding
from veilmart.protocol.offer import seal_content_key

SUITES = pytest.mark.parametrize("suite", all_suites(), ids=lambda suite: str(suite.name))


async def won(court: Court, papers: Any, finding: Finding) -> None:
    """The money is back, the merchant is told, the books are in order, evidence is gone."""
    assert court.money() == (CREDIT, 0)
    assert await court.state(papers) == "refunded"
    assert court.reports() == [(papers.order, "returned")]
    assert events.DisputeWon(papers.order) in court.market.events
    [line] = court.market.run(dispute_lines)
    assert (line.outcome, line.finding, line.order) == ("won", finding.value, papers.order.hex())
    court.market.check_books()


@both_engines
async def test_w_that_opens_with_no_key(court: Court) -> None:
    papers = await court.released(cheats=Cheats(sealed_key=bytes(64)))
    status = await court.dispute(papers, "key")
    assert status.state == "refunded"
    await won(court, papers, Finding.KEY)


@SUITES
async def test_w_for_another_content_key(court: Court, suite: Suite) -> None:
    papers = await court.released(cheats=Cheats(sealed_content_key=os.urandom(32)), suite=suite)
    await court.dispute(papers, "key")
    await won(court, papers, Finding.KEY)


async def test_w_for_another_order_under_the_same_escrow_key(court: Court) -> None:
    """The associated data is the order's name."""
    suite = all_suites()[0]
    escrow, content = os.urandom(32), os.urandom(32)
    other = seal_content_key(suite, escrow, content, os.urandom(32))
    papers = await court.released(cheats=Cheats(sealed_key=other))
    await court.dispute(papers, "key")
    await won(court, papers, Finding.KEY)


LIES = ["suite", "order_key", "pay_by", "deliver_within", "settle_within", "amount", "broker"]


@pytest.mark.parametrize("field", LIES)
async def test_an_invoice_that_differs_from_its_offer(court: Court, field: str) -> None:
    """The broker took what is good by itself; only offer and invoice together show the lie."""
    told = {
        "suite": 2,
        "order_key": os.urandom(32),
        "pay_by": court.market.clock() + 100,
        "deliver_within": 601,
        "settle_within": 3601,
        "amount": PRICE + 1,
        "broker": os.urandom(32),
    }
    seed = os.urandom(32)
    invoiced = {
        "suite": 1,
        "order_key": signing.public_key(seed),
        "pay_by": court.market.clock() + SHELF.pay_within,
        "deliver_within": SHELF.deliver_within,
        "settle_within": SHELF.settle_within,
        "amount": PRICE,
        "broker": court.market.opened.fingerprint,
    }
    name = "price" if field == "amount" else field
    cheats = Cheats(invoice={field: invoiced[field]})
    papers = await court.released(offer_changes={name: told[field]}, cheats=cheats, order_seed=seed)
    await court.dispute(papers, "key")
    await won(court, papers, Finding.INVOICE)


async def test_an_invoice_signed_by_another_of_its_keys(court: Court) -> None:
    """The broker takes any current key; the customer knows only the offer's descriptor."""
    merchant = court.market.merchant
    old_seed, old_signed = merchant.seed, merchant.signed
    merchant.renew()
    court.market.run(merchants.add_descriptor, merchant.descriptor)
    views = court.market.run(merchants.load_merchants)
    court.market.broker.state.merchants.replace(views)
    new_seed, merchant.seed, merchant.signed = merchant.seed, old_seed, old_signed
    papers = await court.released(cheats=Cheats(invoice_seed=new_seed))
    await court.dispute(papers, "key")
    await won(court, papers, Finding.INVOICE_KEY)


async def test_a_wrong_w_is_enough_whatever_the_customer_complains_about(court: Court) -> None:
    papers = await court.released(cheats=Cheats(sealed_key=bytes(64)))
    await court.dispute(papers, "segment", papers.evidence(papers.segment()))
    await won(court, papers, Finding.KEY)


@SUITES
async def test_a_segment_that_does_not_open(court: Court, suite: Suite) -> None:
    papers = await court.released(suite=suite)
    await court.dispute(papers, "segment", papers.evidence(papers.damaged_segment()))
    await won(court, papers, Finding.SEGMENT)


@pytest.mark.parametrize("at", [64, 70, 75, 100, 130, -1])
async def test_a_segment_damaged_anywhere(court: Court, at: int) -> None:
    """Magic, header, nonce, commitment, text, tag: it does not open, whatever was changed."""
    papers = await court.released()
    segment = papers.damaged_segment(at=at)
    await court.dispute(papers, "segment", papers.evidence(segment))
    await won(court, papers, Finding.SEGMENT)


async def test_a_segment_under_another_content_key(court: Court) -> None:
    papers = await court.released()
    segment = papers.segment(content_key=os.urandom(32))
    await court.dispute(papers, "segment", papers.evidence(segment))
    await won(court, papers, Finding.SEGMENT)


async def test_a_segment_that_is_another_piece(court: Court) -> None:
    """A large product, its last piece, in 1 MiB parts: the evidence comes in many messages."""
    papers = await court.released(packed=product(TWO_PIECES))
    swapped = papers.segment(1, piece=b"x" * (TWO_PIECES - PIECE_BYTES))
    await court.dispute(papers, "segment", papers.evidence(swapped), 1)
    await won(court, papers, Finding.SEGMENT)


async def test_a_segment_of_a_large_product_that_does_not_open(court: Court) -> None:
    papers = await court.released(packed=product(TWO_PIECES))
    evidence = papers.evidence(papers.damaged_segment(0, at=900_000))
    assert len(papers.parts(evidence)) > 20
    await court.dispute(papers, "segment", evidence)
    await won(court, papers, Finding.SEGMENT)


async def test_pieces_delivered_in_another_order(court: Court) -> None:
    packed = product(2 * PIECE_BYTES)
    papers = await court.released(packed=packed)
    swapped = papers.segment(0, piece=cut(packed)[1])
    await court.dispute(papers, "segment", papers.evidence(swapped))
    await won(court, papers, Finding.SEGMENT)


@pytest.mark.parametrize(
    "packed",
    [
        bytes(4096),
        os.urandom(32) + (9999).to_bytes(8, "little") + b"\1\0a" + bytes(4053),
        os.urandom(32) + (1).to_bytes(8, "little") + b"\5\0a/b.c" + bytes(4049),
        os.urandom(32) + (1).to_bytes(8, "little") + b"\1\0ax" + bytes(4051) + b"\1",
    ],
    ids=["no name", "longer than its shelf", "a name with a slash", "filler that is not zero"],
)
async def test_a_promised_piece_that_is_no_product(court: Court, packed: bytes) -> None:
    """No wallet can make a file of it, though every byte is what the root promised."""
    assert len(packed) == 4096
    papers = await court.released(packed=packed)
    await court.dispute(papers, "segment", papers.evidence(papers.segment()))
    await won(court, papers, Finding.PADDING)
