"""A scripted merchant that sells codes."""

import asyncio
import os
from pathlib import Path
from typing import Any

from tests.support.packed import unpack_product
from tests.support.scripted_merchant import Stall
from veilmart.limits import (
    CLOCK_SKEW_SECONDS,
    CODE_DELIVER_WITHIN_SECONDS,
    CODE_PAY_WITHIN_SECONDS,
)
from veilmart.merchant.server.running import sweep_for_all
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.importing import Imported, import_folder
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.protocol import labels
from veilmart.protocol.catalogue import NO_ROOT, open_catalogue
from veilmart.protocol.link_messages import FetchSegment, Report, ReportEntry
from veilmart.protocol.merchant_messages import Offered
from veilmart.protocol.offer import (
    Invoice,
    Offer,
    escrow_key,
    open_content_key,
    open_object,
    order_of,
)
from veilmart.protocol.parcel import check_piece_list, check_segment, open_segment

GIVEN_BACK_AFTER = CODE_PAY_WITHIN_SECONDS + CODE_DELIVER_WITHIN_SECONDS + CLOCK_SKEW_SECONDS


def shop_with(stall: Stall, folder: Path, **codes: int) -> Stall:
    """Products of codes, as many as said of each, on a shelf of their own."""
    folder.mkdir(exist_ok=True)
    for name, count in codes.items():
        lines = "".join(f"{name.upper()}-{number:04}\n" for number in range(count))
        (folder / f"{name}.codes").write_text(lines)
    run_import(stall, folder)
    refresh(stall)
    return stall


def run_import(stall: Stall, folder: Path, **how: Any) -> Imported:
    entries = read_folder(folder, 500, 2)
    comparison = stall.market.database.run_now(compare, entries, 2)
    options: dict[str, Any] = {
        "prune": False,
        "alone": False,
        "now": stall.now,
        "random": os.urandom,
    } | how
    *_, last = import_folder(stall.market, comparison, **options)
    assert isinstance(last, Imported)
    return last


def refresh(stall: Stall) -> None:
    stall.reload()
    asyncio.run(sweep_for_all(stall.market, stall.state))
    stall.reload()


def offered(stall: Stall, title: str) -> tuple[Any, Any, bytes]:
    link = stall.link()
    customer = stall.customer(link)
    found, invoice, _ = stall.tell(link, customer, stall.selection(customer, title), Offered)
    return customer, found, invoice


def delivered(stall: Stall, customer: Any, found: Any, invoice: bytes) -> str:
    """The code, as the customer reads it."""
    key = customer.descriptor.descriptor.signing_key
    offer = open_object(Offer, key, labels.OFFER, found.offer)
    check_piece_list(found.pieces, offer.product, offer.size)
    name = order_of(found.offer)
    reply = stall.ask(stall.link(), FetchSegment(order=name, index=0, held_at=stall.now))
    assert reply.attachment is not None
    sealed = check_segment(key, name, 0, offer.size, reply.attachment)
    escrow = escrow_key(customer.keys.exporter, offer.random)
    w = open_object(Invoice, key, labels.INVOICE, invoice).sealed_key
    suite = customer.keys.suite
    content_key = open_content_key(suite, escrow, offer, name, w)
    piece = open_segment(suite, content_key, name, 0, offer.size, found.pieces, sealed)
    return unpack_product(piece)[1].decode().strip()


def shown(stall: Stall) -> dict[str, bool]:
    signer = stall.state.shop.newest.known.descriptor.signing_key
    blob = stall.state.shop.catalogue.blob
    opened = open_catalogue(blob, signer, stall.market.fingerprint)
    return {p.title: p.available for p in opened.catalogue.products if p.root == NO_ROOT}


def ordered(stall: Stall, title: str = "alpha.txt") -> bytes:
    link = stall.link()
    customer = stall.customer(link)
    offered, _, _ = stall.tell(link, customer, stall.selection(customer, title), Offered)
    return order_of(offered.offer)


def report(stall: Stall, balance: int, *entries: tuple[int, bytes, str], fee: int = 0) -> None:
    made = [
        ReportEntry(sequence=n, order=o, event=e, at=stall.now, fee=fee if e == "settled" else 0)  # type: ignore[arg-type]
        for n, o, e in entries
    ]
    stall.ask(stall.link(), Report(entries=made, balance=balance))
