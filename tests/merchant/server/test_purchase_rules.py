"""A sale from tunnel to report, each step checked with the customer's own protocol functions."""

import os
from typing import Any

import msgspec
import pytest

from tests.support.packed import unpack_product
from tests.support.scripted_merchant import Stall
from veilmart.crypto.suite import Suite, all_suites
from veilmart.errors import (
    BadPublicValue,
    DescriptorUnknown,
    NotYourBroker,
    OpenFailed,
    OrderUnknown,
    ProductGone,
    ProductOut,
    SegmentUnknown,
    UnknownRequestNumber,
    UnknownSuite,
    WrongOrderState,
)
from veilmart.limits import CELL_BYTES, REQUEST_NUMBER_SECONDS
from veilmart.merchant.events import MenuSent, OrderEnded, PaymentStatus, Selected
from veilmart.merchant.goods.products import edit_product, remove_product
from veilmart.merchant.sales.orders import find_order
from veilmart.merchant.server.narration import narrated_lines
from veilmart.protocol import labels
from veilmart.protocol.catalogue import open_catalogue
from veilmart.protocol.link_messages import (
    FetchSegment,
    Report,
    ReportEntry,
    TunnelOpen,
    TunnelRelay,
)
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue, Offered
from veilmart.protocol.offer import (
    Invoice,
    Offer,
    Selection,
    check_invoice,
    check_offer,
    escrow_key,
    open_content_key,
    open_object,
    order_of,
)
from veilmart.protocol.order_states import OrderState
from veilmart.protocol.parcel import check_piece_list, check_segment, open_segment
from veilmart.protocol.tunnel import RECORD_OVERHEAD_BYTES, PendingRequest


@pytest.mark.parametrize("suite", all_suites(), ids=lambda suite: suite.name)
def test_a_sale_from_handshake_to_settlement(stall: Stall, suite: Suite) -> None:
    link = stall.link()
    customer = stall.customer(link, suite)
    page, invoice, _ = stall.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)
    assert (page.pages, invoice) == (1, b"")
    signer = customer.descriptor.descriptor.signing_key
    menu = open_catalogue(page.data, signer, stall.market.fingerprint).catalogue
    assert [product.title for product in menu.products] == ["alpha.txt", "beta.txt"]

    asked = stall.selection(customer)
    commits = stall.market.database.commits
    offered, signed_invoice, _ = stall.tell(link, customer, asked, Offered)
    assert stall.market.database.commits == commits + 1
    offer = open_object(Offer, signer, labels.OFFER, offered.offer)
    escrow = escrow_key(customer.keys.exporter, offer.random)
    shelf = customer.descriptor.descriptor.shelf(asked.shelf)
    assert shelf is not None
    selection = Selection(
        stall.market.fingerprint,
        stall.broker.fingerprint,
        customer.descriptor.hash,
        suite,
        shelf,
        asked.root,
        asked.order_key,
    )
    check_offer(offer, selection, escrow, stall.now)
    check_piece_list(offered.pieces, offer.product, offer.size)
    order = order_of(offered.offer)
    bill = open_object(Invoice, signer, labels.INVOICE, signed_invoice)
    check_invoice(bill, offer, order)

    reply = stall.ask(link, FetchSegment(order=order, index=0, held_at=stall.now + 3))
    assert stall.market.database.commits == commits + 2
    assert reply.attachment is not None and reply.message.length == len(reply.attachment)  # type: ignore[attr-defined]
    again = stall.ask(link, FetchSegment(order=order, index=0, held_at=stall.now + 3))
    assert again.attachment == reply.attachment
    assert stall.market.database.commits == commits + 2
    sealed = check_segment(signer, order, 0, offer.size, reply.attachment)
    key = open_content_key(suite, escrow, offer, order, bill.sealed_key)
    packed = open_segment(suite, key, order, 0, offer.size, offered.pieces, sealed)
    assert unpack_product(packed) == ("alpha.txt", b"the first product\n" * 40)

    report = Report(
        entries=[ReportEntry(sequence=1, order=order, event="settled", at=stall.now + 9, fee=0)],
        balance=10_500,
    )
    stall.ask(link, report)
    stall.ask(link, report)
    assert stall.market.database.commits == commits + 3
    stored = stall.market.database.run_now(find_order, order, 1)
    assert (stored.state, stored.paid_at) == (OrderState.SETTLED, stall.now + 3)
    seen = [
        e for e in stall.events if isinstance(e, MenuSent | Selected | PaymentStatus | OrderEnded)
    ]
    lines = [line for event in seen for line in narrated_lines(event, 2)]
    assert lines == [
        "R1 Menu sent",
        "R1 Selection: alpha.txt",
        "R1 awaiting payment Pay to deliver 5.00",
        "R1 Payment Status - True",
        "R1 Delivered - Transaction complete",
        "Total funds: 105.00",
        "Transaction Done",
    ]


def test_an_unchanged_catalogue_is_one_cell(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    known = stall.state.shop.catalogue.hash
    page, _, record = stall.tell(link, customer, GetCatalogue(page=0, known=known), CataloguePage)
    assert page.data == b"" and page.hash == known
    assert len(record) == RECORD_OVERHEAD_BYTES + CELL_BYTES


def test_every_product_and_every_refusal_of_a_shelf_looks_the_same(stall: Stall) -> None:
    link = stall.link()
    records = []
    for title in ("alpha.txt", "beta.txt"):
        customer = stall.customer(link)
        records.append(stall.tell(link, customer, stall.selection(customer, title), Offered)[2])
    customer = stall.customer(link)
    gone = msgspec.structs.replace(stall.selection(customer), root=bytes(32))
    pending = PendingRequest(customer.keys, gone, gone.cells, os.urandom)
    relay = TunnelRelay(request_number=customer.number, record=pending.record)
    refused: Any = stall.ask(link, relay).message
    with pytest.raises(ProductGone):
        pending.open_answer(Offered, refused.record)
    assert {len(record) for record in [*records, refused.record]} == {len(records[0])}


def test_a_repeated_selection_gets_the_same_offer_and_another_one_none(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    asked = stall.selection(customer)
    first = stall.tell(link, customer, asked, Offered)
    commits = stall.market.database.commits
    second = stall.tell(link, customer, asked, Offered)
    assert (first[0], first[1]) == (second[0], second[1])
    assert first[2] != second[2]
    with pytest.raises(WrongOrderState):
        stall.tell(link, customer, stall.selection(customer, "beta.txt"), Offered)
    assert stall.market.database.commits == commits


@pytest.mark.parametrize("field", ["root", "price", "product", "shelf"])
def test_what_the_catalogue_no_longer_shows_is_gone(stall: Stall, field: str) -> None:
    link = stall.link()
    customer = stall.customer(link)
    asked = stall.selection(customer)
    changed = {"root": bytes(32), "price": 501, "product": bytes(16), "shelf": 7}
    commits = stall.market.database.commits
    with pytest.raises(ProductGone):
        stall.tell(
            link, customer, msgspec.structs.replace(asked, **{field: changed[field]}), Offered
        )
    assert stall.market.database.commits == commits


def test_an_order_key_under_which_anybody_can_sign_is_refused(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    weak = msgspec.structs.replace(stall.selection(customer), order_key=(1).to_bytes(32, "little"))
    with pytest.raises(BadPublicValue):
        stall.tell(link, customer, weak, Offered)
    stall.tell(link, customer, stall.selection(customer), Offered)  # the tunnel is still good


def test_removed_and_out_of_stock(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    asked = stall.selection(customer)
    other = stall.selection(customer, "beta.txt")
    stall.market.database.run_now(edit_product, asked.product, None, None, False)
    stall.market.database.run_now(remove_product, other.product, True)
    stall.reload()
    with pytest.raises(ProductOut):
        stall.tell(link, customer, asked, Offered)
    with pytest.raises(ProductGone):
        stall.tell(link, customer, other, Offered)


def test_a_removed_product_is_still_delivered_to_who_bought_it(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    asked = stall.selection(customer)
    offered, _, _ = stall.tell(link, customer, asked, Offered)
    stall.market.database.run_now(remove_product, asked.product, True)
    stall.reload()
    order = order_of(offered.offer)
    reply = stall.ask(link, FetchSegment(order=order, index=0, held_at=stall.now))
    signer = customer.descriptor.descriptor.signing_key
    shelf = stall.added.shelf
    check_segment(signer, order, 0, shelf.size, reply.attachment or b"")


def test_another_broker_in_the_selection(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    with pytest.raises(NotYourBroker):
        asked = msgspec.structs.replace(stall.selection(customer), broker=bytes(32))
        stall.tell(link, customer, asked, Offered)


def test_unknown_request_number(stall: Stall) -> None:
    link = stall.link()
    record = os.urandom(16 + 24 + 32 + 1024)
    with pytest.raises(UnknownRequestNumber):
        stall.ask(link, TunnelRelay(request_number=record[:16], record=record))


def test_a_request_number_ends_with_its_hour(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    stall.now += REQUEST_NUMBER_SECONDS
    with pytest.raises(UnknownRequestNumber):
        stall.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)


def test_a_used_request_number_is_not_opened_again(stall: Stall) -> None:
    link = stall.link()
    number = os.urandom(16)
    stall.customer(link, number=number)
    customer = stall.customer(link, number=number)  # the first answer was lost on the way
    stall.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)
    with pytest.raises(UnknownRequestNumber):
        stall.customer(link, number=number)


def test_junk_on_a_request_number_neither_closes_nor_advances_it(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    junk = customer.number + os.urandom(24 + 32 + 1024)
    for _ in range(3):
        with pytest.raises(OpenFailed):
            stall.ask(link, TunnelRelay(request_number=customer.number, record=junk))
    stall.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)


def test_unknown_descriptor_and_suite(stall: Stall) -> None:
    link = stall.link()
    known = stall.state.shop.newest.known.hash
    request = TunnelOpen(request_number=bytes(16), suite=1, descriptor=bytes(32), message=b"")
    with pytest.raises(DescriptorUnknown):
        stall.ask(link, request)
    with pytest.raises(UnknownSuite):
        stall.ask(link, msgspec.structs.replace(request, descriptor=known, suite=9))


def test_segments_of_unknown_orders_and_numbers_past_the_end(stall: Stall) -> None:
    link = stall.link()
    customer = stall.customer(link)
    offered, _, _ = stall.tell(link, customer, stall.selection(customer), Offered)
    commits = stall.market.database.commits
    with pytest.raises(OrderUnknown):
        stall.ask(link, FetchSegment(order=bytes(32), index=0, held_at=stall.now))
    with pytest.raises(SegmentUnknown):
        order = order_of(offered.offer)
        stall.ask(link, FetchSegment(order=order, index=1, held_at=stall.now))
    assert stall.market.database.commits == commits
